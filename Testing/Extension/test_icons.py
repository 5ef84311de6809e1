"""The icons are what Slicer shows: PNG files of 128 x 128 with a transparent background."""

import struct
import zlib

import pytest

from Testing.Extension.source_tree import ROOT

ICONS = ("Resources/LungCancerDx.png", "LungCancerDx/Resources/Icons/LungCancerDx.png")
RGBA = 6


@pytest.mark.parametrize("icon", ICONS)
def test_an_icon_is_a_png_of_the_right_size_with_transparency(icon):
    content = (ROOT / icon).read_bytes()
    signature, _, header = struct.unpack(">8sI4s", content[:16])
    width, height, depth, kind = struct.unpack(">IIBB", content[16:26])
    assert (signature, header) == (b"\x89PNG\r\n\x1a\n", b"IHDR")
    assert (width, height, depth, kind) == (128, 128, 8, RGBA)


def test_both_icons_are_the_same_picture():
    assert len({zlib.crc32((ROOT / icon).read_bytes()) for icon in ICONS}) == 1
