"""Writes the interface's fonts: those of egui's crate of default fonts, with the characters that labels, names and
formulas take. Others are drawn as a box; the fonts of emoji that egui has beside these are not used either.

    pip install fonttools
    python assets/fonts/subset.py ~/.cargo/registry/src/*/epaint_default_fonts-0.37.0/fonts

The committed files were made with fonttools 4.68 from version 0.37.0 of the crate. Hinting is kept, so that text looks as
it did.
"""

import pathlib
import sys

from fontTools import subset

# Latin, Greek, punctuation, sub- and superscripts, arrows, operators, technical signs, boxes and shapes, check marks.
RANGES = [
    (0x20, 0x17F), (0x192, 0x192), (0x218, 0x21B), (0x2C6, 0x2DD), (0x370, 0x3FF), (0x2010, 0x2027), (0x2030, 0x203A),
    (0x2044, 0x2044), (0x2070, 0x209F), (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2126, 0x2126), (0x2190, 0x2199),
    (0x21B5, 0x21B5), (0x21D0, 0x21D4), (0x2200, 0x22FF), (0x2300, 0x23CF), (0x2500, 0x25FF), (0x2605, 0x2606),
    (0x2610, 0x2612), (0x263C, 0x263C), (0x2713, 0x2718), (0x27E8, 0x27E9), (0xFB01, 0xFB02), (0xFFFD, 0xFFFD),
]  # fmt: skip
# What each may be called: Ubuntu's licence has modified versions say so, Hack's has nothing to say.
NAMES = {"Ubuntu-Light.ttf": "Ubuntu derivative FerKD", "Hack-Regular.ttf": None}

source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
for file, name in NAMES.items():
    options = subset.Options(layout_features=["kern", "liga", "mark", "mkmk", "ccmp", "locl"])
    font = subset.load_font(source / file, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    if name:
        for record in font["name"].names:
            if record.nameID in (1, 4, 16):
                record.string = name
            elif record.nameID == 6:
                record.string = name.replace(" ", "-")
    subset.save_font(font, here / file, options)
    print(file, (source / file).stat().st_size, "->", (here / file).stat().st_size)
