"""What people bring: read as `stn train` reads it, or refused with a reason."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from stn_lab.demo import received
from stn_lab.demo.received import DRAWING, drawn, uploaded
from stn_lab.images.decoding import Unreadable
from stn_lab.images.preprocessing import Preprocessing

GREY, COLOUR = Preprocessing((16, 20), channels=1), Preprocessing((16, 20), channels=3)


def photograph(path, size=(40, 30), mode="RGB", **options):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("preprocessing", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(("name", "mode"), [("a.png", "RGB"), ("a.jpg", "L"), ("A.JPEG", "CMYK"), ("a.gif", "P")])
def test_a_file_is_read_as_the_model_reads_it(tmp_path, name, mode, preprocessing):
    path = photograph(tmp_path / name, mode=mode)
    pixels, _ = uploaded(str(path), preprocessing)
    assert np.array_equal(pixels, preprocessing.pixels_of_file(str(path)))


def test_a_large_photograph_held_upright_is_told_as_it_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    path = photograph(tmp_path / "a.jpg", (400, 300), exif=exif)
    pixels, words = uploaded(str(path), COLOUR)
    assert np.array_equal(pixels, COLOUR.pixels_of_file(str(path)))
    assert words.startswith("The image has 300 x 400 pixels")


@pytest.mark.parametrize(
    ("mode", "preprocessing", "said"),
    [
        ("RGB", GREY, "40 x 30 pixels and 3 channels (colour), the model takes 20 x 16 pixels and 1 channel (grey)"),
        ("L", COLOUR, "40 x 30 pixels and 1 channel (grey), the model takes 20 x 16 pixels and 3 channels (colour)"),
        ("L", GREY, "brought to that size (letterbox)."),
    ],
)
def test_what_differs_from_the_model_is_said_with_both(tmp_path, mode, preprocessing, said):
    _, words = uploaded(str(photograph(tmp_path / "a.png", mode=mode)), preprocessing)
    assert said in words


def test_where_nothing_differs_nothing_is_said(tmp_path):
    assert uploaded(str(photograph(tmp_path / "a.png", (20, 16))), COLOUR)[1] == ""


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.exe", "a", "a.png.txt", "a.eps"])
def test_other_types_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(photograph(tmp_path / "b.png").read_bytes())
    with pytest.raises(Unreadable, match=r"not of a type that is read: \.avif, "):
        uploaded(str(tmp_path / name), COLOUR)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an image"),
        (b"<svg onload=alert(1)>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
        ((10_000, 10_000), r"too large: 10000 x 10000 pixels"),
        ((100_000, 100_000), "too large"),
        ((8, 8), "damaged"),
    ],
)
def test_what_is_no_image_or_too_large_a_one_is_refused(tmp_path, content, why, bomb):
    content = bomb(*content) if isinstance(content, tuple) else content
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(Unreadable, match=why):
        uploaded(str(tmp_path / "a.png"), COLOUR)
    with pytest.raises(Unreadable, match=why):
        drawn(DRAWING + base64.b64encode(content).decode(), COLOUR)


def test_files_and_drawings_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(received, "LARGEST_FILE", 100)
    path = photograph(tmp_path / "a.png")
    with pytest.raises(Unreadable, match="larger than"):
        uploaded(str(path), COLOUR)
    with pytest.raises(Unreadable, match="larger than"):
        drawn(DRAWING + base64.b64encode(path.read_bytes()).decode(), COLOUR)


def test_a_drawing_is_read():
    sheet = np.zeros((16, 20, 4), dtype=np.uint8)
    sheet[..., 3], sheet[4:8, 6:9, :3] = 255, 255
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    pixels, words = drawn(DRAWING + base64.b64encode(file.getvalue()).decode(), GREY)
    assert np.array_equal(pixels[0], sheet[..., 0])
    assert words == ""


@pytest.mark.parametrize(
    "address", ["", "http://example.com/a.png", "data:text/html;base64,AA==", DRAWING + "%%", 7, None]
)
def test_what_is_no_drawing_is_refused(address):
    with pytest.raises(Unreadable, match="not a"):
        drawn(address, GREY)
