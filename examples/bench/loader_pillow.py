"""Yardstick of `ferkd bench input`: Pillow and numpy, on one thread, on the same kind of work.

Each JPEG is decoded to RGB; four RandomResizedCrop boxes are cut out of it, resized to 224 x 224 by Pillow's
antialiased bilinear filter, every second one is mirrored, and all are normalised to float32 planes.

    pip install pillow numpy
    ferkd bench input IMAGES --yardstick "python3 examples/bench/loader_pillow.py IMAGES"
"""

import argparse
import io
import math
import pathlib
import random
import time

import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def draw_box(rng, width, height):
    """torchvision's RandomResizedCrop.get_params: left, top, right, bottom in pixels."""
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1.0)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.randint(0, width - w), rng.randint(0, height - h)
            return left, top, left + w, top + h
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def prepare(data, rng, regions, side):
    """All regions of one image file: float32 of shape (regions, 3, side, side)."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    out = np.empty((regions, 3, side, side), np.float32)
    for number in range(regions):
        crop = image.crop(draw_box(rng, *image.size)).resize((side, side), Image.Resampling.BILINEAR)
        if number % 2:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = np.asarray(crop, np.float32) / 255
        out[number] = ((pixels - MEAN) / STD).transpose(2, 0, 1)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--regions", type=int, default=4)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    files = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"{args.images}: no JPEG below it")
    rng = random.Random(0)
    prepare(files[0].read_bytes(), rng, args.regions, args.side)
    done, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < args.seconds:
        prepare(files[done % len(files)].read_bytes(), rng, args.regions, args.side)
        done += 1
    print(f"Pillow {Image.__version__}, 1 thread: {done / elapsed:.2f} images/s")


if __name__ == "__main__":
    main()
