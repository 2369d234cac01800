"""Regions cut by Pillow, for transforms that work on its pictures: the core's cut within Pillow's rounding."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any


def opened(file: bytes, orientation: str) -> Any:
    """The picture in a file's bytes, as RGB; turned upright where `orientation` is "apply"."""
    from PIL import Image, ImageOps

    picture = Image.open(BytesIO(file))
    if orientation == "apply":
        picture = ImageOps.exif_transpose(picture)
    return picture.convert("RGB")


def cut(picture: Any, box: Sequence[int], flip: bool, side: int, filter: str) -> Any:
    """The region `box` (top, left, height, width in pixels), resized to `side` x `side`, mirrored where `flip`."""
    from PIL import Image

    top, left, height, width = box
    resample = Image.Resampling.BICUBIC if filter == "bicubic" else Image.Resampling.BILINEAR
    region = picture.crop((left, top, left + width, top + height)).resize((side, side), resample)
    return region.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else region
