"""Writes the fonts of PNG pictures, tools/src/draw/fonts: the characters of names in models, from DejaVu, without hints.

    pip install fonttools
    python tools/reference/fonts.py /usr/share/fonts/truetype/dejavu

The notices of the authors stay in the files, as the licence asks.
"""

import pathlib
import sys

from fontTools import subset

# Latin, Greek, Cyrillic, and the marks, arrows and operators that names and types have.
CHARACTERS = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x2010, 0x2015), (0x2018, 0x201E), (0x2020, 0x2022), (0x2026, 0x2026), (0x2030, 0x2030),
    (0x2032, 0x2033), (0x2039, 0x203A), (0x2070, 0x208E), (0x20AC, 0x20AC), (0x2190, 0x2199), (0x21D0, 0x21D5), (0x2200, 0x2200), (0x2202, 0x2203),
    (0x2205, 0x2208), (0x220F, 0x2212), (0x221A, 0x221A), (0x221E, 0x221E), (0x2227, 0x222B), (0x2248, 0x2248), (0x2260, 0x2261), (0x2264, 0x2265),
    (0x22C5, 0x22C5), (0x2295, 0x2299), (0x25A0, 0x25A1), (0x25CF, 0x25CF), (0xFFFD, 0xFFFD),
]
TARGET = pathlib.Path(__file__).parent.parent / "src/draw/fonts"


def main():
    options = subset.Options(hinting=False, layout_features=[], notdef_outline=True, name_IDs=[0, 13], name_languages=[0x409])
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "kern", "post", "OS/2", "FFTM"]
    for name in ("DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf"):
        font = subset.load_font(pathlib.Path(sys.argv[1]) / name, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[code for first, last in CHARACTERS for code in range(first, last + 1)])
        subsetter.subset(font)
        subset.save_font(font, TARGET / name, options)


main()
