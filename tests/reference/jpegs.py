"""Writes tests/data/jpeg: a small picture as every kind of JPEG, and what libjpeg-turbo decodes of each kind.

    apt-get install libjpeg-turbo-progs
    pip install numpy pillow
    python tests/reference/jpegs.py

The committed files were made with cjpeg and jpegtran of libjpeg-turbo 2.1.5 and read by Pillow 13.0. How pixels are
coded (scans, progressive, restart markers) does not change them, so that one PNG stands for all files of a sampling:
this script checks it. The 12-bit and the lossless file are a baseline one with another frame header; nothing is ever
decoded of them.
"""

import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

folder = pathlib.Path(__file__).parent.parent / "data" / "jpeg"
folder.mkdir(parents=True, exist_ok=True)

# No side is a multiple of a block, nor of two.
WIDTH, HEIGHT = 37, 29
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
pixels = np.stack([127 + 100 * np.sin(x / 7) * np.cos(y / 9), 40 + 5.5 * x, 30 + 6 * y], -1)
pixels += np.where((x // 8 + y // 8) % 2 == 0, 20, -20)[..., None]
pixels = np.clip(pixels, 0, 255).astype(np.uint8)
ppm = b"P6 %d %d 255\n" % (WIDTH, HEIGHT) + pixels.tobytes()


def write(name, *flags, scans=None):
    with tempfile.NamedTemporaryFile("w", suffix=".scans") as file:
        if scans:
            file.write(scans)
            file.flush()
            flags += ("-scans", file.name)
        out = subprocess.run(["cjpeg", "-quality", "90", *flags], input=ppm, capture_output=True, check=True)
    (folder / f"{name}.jpg").write_bytes(out.stdout)


def decoded(name):
    return Image.open(folder / f"{name}.jpg").convert("RGB")


EACH = "0;\n1;\n2;\n"
samplings = {
    "420": "2x2",
    "444": "1x1",
    "440": "1x2",
    "411": "4x1",
    # Factors for which halving is not enough, and a first component that others exceed, in both or in one direction.
    "thirds": "3x1",
    "coarse-first": "1x1,2x2,2x2",
    "mixed-axes": "2x1,1x2,1x1",
}
for name, factors in samplings.items():
    write(f"{name}-baseline", "-sample", factors)
    write(f"{name}-progressive", "-sample", factors, "-progressive")
    write(f"{name}-scans", "-sample", factors, scans=EACH)
write("420-two-scans", "-sample", "2x2", scans="0;\n1 2;\n")
write("420-restart", "-sample", "2x2", "-restart", "1B")
write("420-scans-restart", "-sample", "2x2", "-restart", "3B", scans=EACH)
write("gray-baseline", "-grayscale")
write("gray-progressive", "-grayscale", "-progressive")
gray = (folder / "gray-baseline.jpg").read_bytes()
adobe = b"\xff\xee\x00\x0eAdobe\x00d\x00\x00\x00\x00\x00"
(folder / "gray-adobe.jpg").write_bytes(gray[:2] + adobe + gray[2:])
write("rgb-baseline", "-rgb", "-sample", "2x2")
write("rgb-scans", "-rgb", "-sample", "2x2", scans=EACH)

# Pillow writes CMYK; its first ink is the finest here.
inks = Image.fromarray(pixels).convert("CMYK")
inks.save(folder / "cmyk-baseline.jpg", quality=90, subsampling="4:2:0")
with tempfile.NamedTemporaryFile("w") as file:
    file.write(EACH + "3;\n")
    file.flush()
    command = ["jpegtran", "-scans", file.name, folder / "cmyk-baseline.jpg"]
    (folder / "cmyk-scans.jpg").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)

# What is refused.
write("refused-arithmetic", "-sample", "2x2", "-arithmetic")
plain = (folder / "420-baseline.jpg").read_bytes()
frame = plain.index(b"\xff\xc0")
(folder / "refused-12-bit.jpg").write_bytes(plain[:frame] + b"\xff\xc1\x00\x11\x0c" + plain[frame + 5 :])
(folder / "refused-lossless.jpg").write_bytes(plain[:frame] + b"\xff\xc3" + plain[frame + 2 :])

for baseline in sorted(folder.glob("*-baseline.jpg")):
    name = baseline.stem.removesuffix("-baseline")
    picture = decoded(baseline.stem)
    picture.save(folder / f"{name}.png", optimize=True)
    for other in folder.glob(f"{name}-*.jpg"):
        if decoded(other.stem).tobytes() != picture.tobytes():
            raise SystemExit(f"{other.name} does not decode to the pixels of {baseline.name}")
