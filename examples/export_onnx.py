"""Exports networks of torchvision and timm as ONNX files, for `ferkd label IMAGES --teacher FILE.onnx`.

    pip install torch torchvision timm onnx onnxruntime
    python examples/export_onnx.py FOLDER [NAME ...] [--pretrained]

Writes FOLDER/NAME.onnx, which takes any number of images at once, and FOLDER/NAME.toml, which says what they are: side,
mean, std, interpolation, and the share of a picture's short side that an evaluation keeps. Weights are random, and the
same in every call, unless --pretrained downloads those of the library. Last, each file is run by ONNX Runtime, and its
logits are compared with PyTorch's.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def torchvisions(name, pretrained):
    import torchvision

    weights = "DEFAULT" if pretrained else None
    return torchvision.models.get_model(name, weights=weights), 224, *IMAGENET, "bilinear", 224 / 256


def timms(name, pretrained):
    import timm

    model = timm.create_model(name, pretrained=pretrained)
    config = timm.data.resolve_data_config({}, model=model)
    filter = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return model, config["input_size"][-1], list(config["mean"]), list(config["std"]), filter, config["crop_pct"]


NETWORKS = {
    "resnet50": torchvisions,
    "mobilenet_v3_large": torchvisions,
    "vit_small_patch16_224": timms,
    "efficientnet_b0": timms,
}


def export(folder, name, pretrained):
    torch.manual_seed(0)
    model, side, mean, std, filter, crop = NETWORKS[name](name, pretrained)
    model.eval()
    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    if not pretrained:
        # Running statistics of nothing leave activations that grow or vanish from layer to layer.
        model.train()
        with torch.no_grad():
            for module in model.modules():
                # The average over all batches, not one that forgets.
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.momentum = None
            for _ in range(3):
                model(torch.randn(4, 3, side, side))
        model.eval()
    path = folder / f"{name}.onnx"
    torch.onnx.export(
        model,
        images,
        str(path),
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
    )
    (folder / f"{name}.toml").write_text(
        f'side = {side}\nmean = {list(mean)}\nstd = {list(std)}\ninterpolation = "{filter}"\ncrop = {crop}\n'
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        expected = model(images).numpy()
    off = np.abs(found - expected).max()
    print(f"{path}: logits are within {off:.1e} of PyTorch's (largest {np.abs(expected).max():.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--pretrained", action="store_true")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NETWORKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; possible are {', '.join(NETWORKS)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or NETWORKS:
        export(arguments.folder, name, arguments.pretrained)


if __name__ == "__main__":
    main()
