"""Writes what PyTorch, torchvision and timm say of the networks: tests/data/models/{outputs.safetensors,facts.json}.

    python -m venv venv && venv/bin/pip install torch torchvision timm numpy safetensors
    venv/bin/python tests/reference/models.py tests/data/models

Written with torch 2.5.1, torchvision 0.20.1, timm 1.0.31 on a CPU.

No weights are stored: every tensor is filled by a formula of its name and index that the tests repeat (`seeded`
below, `ferkd_tests::seeded` there), so that full-size networks are checked and only logits are committed.
"""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.numpy import save_file
from timm.layers import resample_abs_pos_embed, set_fused_attn
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay
from torch.utils.flop_counter import FlopCounterMode

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def units(name, count):
    """`count` numbers in [-1, 1): FNV-1a of the name, then SplitMix64 at each index."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def seeded(name, shape):
    """A tensor whose numbers keep a network's activations near 1."""
    u = units(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        u = 1.0 + 0.5 * u
    elif len(shape) == 3:
        u = 0.5 * u
    elif len(shape) >= 2:
        u = u * np.sqrt(3.0 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        u = 1.0 + 0.2 * u
    else:
        u = 0.1 * u
    return u.astype(np.float32).reshape(shape)


def images(count, side):
    return (2.0 * units("images", count * 3 * side * side)).astype(np.float32).reshape(count, 3, side, side)


def logits(model, side, count=2):
    state = {
        name: torch.from_numpy(seeded(name, tuple(t.shape)))
        for name, t in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    model.load_state_dict(state, strict=False)
    with torch.no_grad():
        out = model.eval()(torch.from_numpy(images(count, side))).numpy()
    assert np.isfinite(out).all() and 0.1 < out.std() < 30.0, out.std()
    return out


def cifar(build):
    """A torchvision ResNet with the stem that is customary for small pictures, and ten classes."""
    model = build(num_classes=10)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    return model


def facts(build, side=224):
    """Number of parameters, multiply-adds by PyTorch's own counter, and the tensors' shapes."""
    with torch.device("meta"):
        model = build().eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, side, side))
    shapes = {
        name: list(t.shape) for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")
    }
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "macs": counter.get_total_flops() // 2,
        # Blocks are alike: the first and the number of them say it all.
        "blocks": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "shapes": {name: s for name, s in shapes.items() if not name.startswith("blocks.") or ".0." in name[:9]},
    }


def main(folder):
    torch.manual_seed(0)
    # The plain products of attention: their kernel has no counter on every device.
    set_fused_attn(False)
    deit = lambda **size: VisionTransformer(num_classes=7, **size)
    eva = lambda **size: Eva(num_classes=7, mlp_ratio=6144 / 1408, **size)
    timm_model = lambda name, **more: timm.create_model(name, **more)
    outputs = {
        "resnet18": logits(torchvision.models.resnet18(), 64),
        "resnet34": logits(torchvision.models.resnet34(), 64),
        "resnet50": logits(torchvision.models.resnet50(), 64),
        "resnet101": logits(torchvision.models.resnet101(), 64),
        **{
            f"{name}-cifar": logits(cifar(getattr(torchvision.models, name)), 16)
            for name in ["resnet18", "resnet34", "resnet50"]
        },
        "vit-ti16": logits(timm_model("deit_tiny_patch16_224"), 224, 1),
        "vit-s16": logits(timm_model("deit_small_patch16_224", img_size=48), 48),
        "vit-b16.2": logits(timm_model("deit_base_patch16_224", img_size=32, depth=2), 32),
        "vit-l16.2": logits(timm_model("vit_large_patch16_224", img_size=32, depth=2), 32),
        "deit.small": logits(deit(img_size=40, patch_size=8, embed_dim=64, depth=2, num_heads=4), 40, 3),
        "eva.small": logits(eva(img_size=42, patch_size=14, embed_dim=88, depth=2, num_heads=4), 42, 3),
    }
    for old, new, width in [(4, 7, 5), (14, 24, 3), (9, 4, 5)]:
        positions = torch.from_numpy(seeded("pos_embed", (1, 1 + old * old, width)))
        outputs[f"positions.{old}.{new}"] = resample_abs_pos_embed(positions, [new, new]).numpy()
    save_file(outputs, folder / "outputs.safetensors")

    networks = {
        "resnet18": torchvision.models.resnet18,
        "resnet34": torchvision.models.resnet34,
        "resnet50": torchvision.models.resnet50,
        "resnet101": torchvision.models.resnet101,
        "vit-ti16": lambda: timm_model("deit_tiny_patch16_224"),
        "vit-s16": lambda: timm_model("deit_small_patch16_224"),
        "vit-b16": lambda: timm_model("deit_base_patch16_224"),
        "vit-l16": lambda: timm_model("vit_large_patch16_224"),
        "eva-g14": lambda: timm_model("eva_giant_patch14_224", num_classes=1000),
    }
    said = {name: facts(build) for name, build in networks.items()}
    for name in ["resnet18", "resnet34", "resnet50"]:
        said[f"{name}-cifar"] = facts(lambda: cifar(getattr(torchvision.models, name)), 32)
    groups = {}
    for name, model in [
        ("deit", deit(img_size=32, patch_size=16, embed_dim=32, depth=3, num_heads=2)),
        ("eva", eva(img_size=28, patch_size=14, embed_dim=88, depth=3, num_heads=4)),
    ]:
        name_of = {id(p): n for n, p in model.named_parameters()}
        for group in param_groups_layer_decay(
            model, weight_decay=0.05, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.75
        ):
            for p in group["params"]:
                groups.setdefault(name, {})[name_of[id(p)]] = [group["lr_scale"], group["weight_decay"]]
    lines = [f'  "{name}": {json.dumps(value)}' for name, value in {**said, "groups": groups}.items()]
    (folder / "facts.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for name, value in outputs.items():
        print(name, value.shape, float(np.abs(value).max()), float(value.std()))
    for name, value in said.items():
        print(name, value["parameters"], value["macs"] / 1e9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
