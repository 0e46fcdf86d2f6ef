"""Images of every mode become the same grey or colour; right values are given by hand."""

import importlib.util
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from stn_lab.errors import UserError
from stn_lab.images import decoding
from stn_lab.images.decoding import Unreadable, decode, eight_bit, is_grey
from stn_lab.images.files import headers


def constant(mode, value):
    return Image.new(mode, (4, 3), value)


def palette(colour):
    image = Image.new("P", (4, 3), 1)
    image.putpalette([7, 8, 9, *colour])
    return image


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (constant("1", 1), (255, 255, 255)),
        (constant("L", 100), (100, 100, 100)),
        (constant("LA", (100, 255)), (100, 100, 100)),
        (constant("LA", (100, 0)), (255, 255, 255)),
        (constant("RGB", (10, 20, 30)), (10, 20, 30)),
        (constant("RGBA", (10, 20, 30, 255)), (10, 20, 30)),
        (constant("RGBA", (10, 20, 30, 0)), (255, 255, 255)),
        (constant("RGBA", (10, 20, 31, 51)), (206, 208, 210)),  # a fifth of it over white
        (palette((10, 20, 30)), (10, 20, 30)),
        (constant("CMYK", (0, 255, 255, 0)), (255, 0, 0)),
        (constant("YCbCr", (100, 128, 128)), (100, 100, 100)),
        (constant("HSV", (0, 255, 255)), (255, 0, 0)),
        (constant("I;16", 257 * 100), (100, 100, 100)),
        (constant("I", 65535), (255, 255, 255)),
        (constant("F", 0.4), (102, 102, 102)),
        (constant("F", 102.0), (102, 102, 102)),
        (constant("F", float("nan")), (0, 0, 0)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_modes(image, colour):
    result = eight_bit(image, 3)
    assert result.mode == "RGB"
    assert result.size == (4, 3)
    assert result.getpixel((2, 1)) == colour
    red, green, blue = colour
    assert eight_bit(image, 1).mode == "L"
    assert abs(eight_bit(image, 1).getpixel((2, 1)) - (0.299 * red + 0.587 * green + 0.114 * blue)) <= 1


def test_a_palette_with_a_transparent_entry_shows_the_background():
    image = palette((10, 20, 30))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=1)
    assert eight_bit(Image.open(buffer), 3, background=40).getpixel((0, 0)) == (40, 40, 40)


def test_white_of_a_camera_of_twelve_bits():
    assert eight_bit(constant("I;16", 4095), 1, white=4095).getpixel((0, 0)) == 255


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path, suffix, orientation):
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :8] = 255  # white in the upper left corner
    turns = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / f"turned{suffix}")
    Image.fromarray(np.ascontiguousarray(turns[orientation])).save(path, exif=exif)
    result = np.asarray(decode(path, 3))
    assert result.shape == upright.shape
    assert headers([path]) == [(32, 16, False)]
    np.testing.assert_allclose(result[4, 4], 255, atol=12)  # lossy formats
    np.testing.assert_allclose(result[12, 28], 0, atol=12)


@pytest.mark.parametrize("mode", ["I;16", "1", "L", "P", "LA", "RGBA"])
def test_png_files_of_each_mode(tmp_path, mode):
    grey = Image.fromarray(np.full((5, 6), 255, dtype=np.uint8))
    image = Image.fromarray(np.full((5, 6), 65535, dtype=np.uint16)) if mode == "I;16" else grey.convert(mode)
    image.save(tmp_path / "image.png")
    assert decode(str(tmp_path / "image.png"), 3).getpixel((3, 3)) == (255, 255, 255)


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=95)
    np.testing.assert_allclose(decode(str(tmp_path / "print.jpg"), 3).getpixel((8, 8)), (255, 0, 0), atol=3)


def test_large_jpegs_are_decoded_small_but_not_smaller_than_needed(tmp_path):
    Image.new("RGB", (800, 400), (200, 100, 50)).save(tmp_path / "large.jpg")
    small = decode(str(tmp_path / "large.jpg"), 3, near=64)
    assert min(small.size) >= 128
    assert max(small.size) < 800


@pytest.mark.parametrize(
    ("image", "grey"),
    [(constant("L", 0), True), (constant("RGB", 0), False), (palette((9, 9, 9)), False), (constant("CMYK", 0), False)],
)
def test_what_has_colours(image, grey):
    assert is_grey(image) is grey


def test_a_palette_of_greys_is_grey():
    assert is_grey(Image.new("L", (2, 2)).quantize(4))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not an image"), (b"no image", "not an image"), (None, "not there")],
)
def test_what_cannot_be_read_says_why(tmp_path, content, reason):
    path = tmp_path / "file.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=reason):
        decode(str(path), 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".gif", ".webp"])
def test_truncated_files_of_every_format(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"image{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unreadable, match=r"damaged|not an image"):
        decode(str(path), 3)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert headers([str(tmp_path / "pipe.png"), str(tmp_path)]) == ["no file", "no file"]


def test_without_pillow_the_line_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    spec = importlib.util.spec_from_file_location("stn_lab.images.without_pillow", decoding.__file__)
    with pytest.raises(UserError, match=r"pip install 'spatial-transformer\[lab\]'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
