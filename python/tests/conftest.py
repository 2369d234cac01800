"""Pictures and stores that tests make for themselves."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import ferkd

CLASSES = ["ant", "bee", "cow", "dog", "elk", "fox", "gnu"]
FOLDERS = {"bee": 5, "dog": 3, "fox": 4}
REGIONS = 8


def write_png(path: Path, picture: np.ndarray) -> None:
    """An RGB picture, uint8 (height, width, 3), as PNG: no library is needed to test without Pillow."""
    height, width, _ = picture.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(1)
    for folder, count in FOLDERS.items():
        (root / folder).mkdir()
        for number in range(count):
            height, width = draw.integers(20, 70, 2)
            # Smooth, as photos are: resizing noise would tell filters apart only by noise.
            coarse = draw.integers(0, 256, (height // 6 + 2, width // 6 + 2, 3))
            fine = np.kron(coarse, np.ones((6, 6, 1)))[:height, :width].astype(np.uint8)
            write_png(root / folder / f"{number}.png", fine)
    return root


def answers(image: int, outputs: int = len(CLASSES), regions: int = REGIONS) -> np.ndarray:
    """What a model says of an image's regions: float32 (M, outputs), from unsure to sure."""
    draw = np.random.default_rng(100 + image)
    return (draw.normal(size=(regions, outputs)) * draw.uniform(0.1, 6, (regions, 1))).astype(np.float32)


@pytest.fixture
def settings() -> dict:
    return {"regions": REGIONS, "seed": 3, "shard_images": 5, "side": 16, "space": "teacher"}


def write_store(path: Path, images: Path, **settings) -> ferkd.Store:
    with ferkd.StoreWriter(path, images, CLASSES, **settings) as writer:
        for image in writer.missing:
            writer.add(image, answers(image))
    return ferkd.Store(path)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory, images) -> Path:
    path = tmp_path_factory.mktemp("stores") / "labels"
    write_store(path, images, regions=REGIONS, seed=3, shard_images=5, side=16, space="teacher")
    return path


@pytest.fixture
def store(store_path) -> ferkd.Store:
    return ferkd.Store(store_path)
