"""Writes tests/data/onnx: small networks of torchvision and timm as PyTorch exports them, with random weights.

    pip install torch torchvision timm onnx
    python tests/reference/small_onnx.py tests/data/onnx

They are MobileNetV3 and a vision transformer at their smallest, each with a .toml that says what its input is, so that
graphs that this project did not write are computed in every test run.
"""

import sys
from pathlib import Path

import timm
import torch
import torchvision

CLASSES = 10


def spread(model: torch.nn.Module, side: int) -> torch.nn.Module:
    """Running statistics of something, and a last layer of some size, so that logits are far from 0."""
    model.train()
    with torch.no_grad():
        last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.weight.normal_()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        for _ in range(3):
            model(torch.randn(8, 3, side, side))
    return model.eval()


def main(folder: Path) -> None:
    torch.manual_seed(0)
    networks = {
        "mobilenet-v3": (torchvision.models.mobilenet_v3_small(width_mult=0.05, num_classes=CLASSES), "bilinear"),
        "vit": (
            timm.create_model(
                "vit_tiny_patch16_224", img_size=32, embed_dim=16, depth=2, num_heads=2, num_classes=CLASSES
            ),
            "bicubic",
        ),
    }
    for name, (model, interpolation) in networks.items():
        torch.onnx.export(
            spread(model, 32),
            torch.randn(2, 3, 32, 32),
            folder / f"{name}.onnx",
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
        (folder / f"{name}.toml").write_text(
            f'side = 32\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\ninterpolation = "{interpolation}"\ncrop = 0.9\n'
        )


main(Path(sys.argv[1]))
