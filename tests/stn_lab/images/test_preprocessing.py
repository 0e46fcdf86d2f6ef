import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from stn_lab.errors import UserError
from stn_lab.images import Preprocessing


def white(width, height):
    return Image.new("RGB", (width, height), (255, 255, 255))


@pytest.mark.parametrize(
    ("source", "rows", "columns"),
    [
        ((64, 32), slice(4, 12), slice(0, 16)),
        ((32, 64), slice(0, 16), slice(4, 12)),
        ((9, 9), slice(0, 16), slice(0, 16)),
    ],
)
def test_letterboxing_keeps_the_aspect(source, rows, columns):
    pixels = Preprocessing((16, 16)).pixels(white(*source))
    expected = np.zeros((3, 16, 16))
    expected[:, rows, columns] = 255
    np.testing.assert_array_equal(pixels, expected)


def test_squeezing_fills_the_frame():
    assert (Preprocessing((16, 24), 1, fit="squeeze").pixels(white(64, 32)) == 255).all()


def test_an_image_of_the_size_is_copied_bit_by_bit():
    noise = np.random.default_rng(0).integers(0, 256, (17, 11, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Preprocessing((17, 11)).pixels(Image.fromarray(noise)), noise.transpose(2, 0, 1))


def test_one_pixel_wide_images_survive():
    assert Preprocessing((16, 16)).pixels(white(1, 1000))[:, :, 7:9].max() == 255


@pytest.mark.parametrize("fit", ["letterbox", "squeeze"])
@pytest.mark.parametrize("source", [(100, 60), (60, 100), (31, 17)])
def test_boxes_follow_the_pixels(fit, source):
    """A white rectangle in a black image: its box, mapped, is where the white is."""
    width, height = source
    box = (width // 5, height // 4, width // 2, 3 * height // 4)
    image = Image.new("L", source)
    image.paste(255, box)
    preprocessing = Preprocessing((40, 56), 1, fit=fit)
    rows, columns = np.nonzero(preprocessing.pixels(image)[0] >= 128)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    mapped = preprocessing.boxes(np.array([box]), np.array([source]))[0]
    in_pixels = (mapped + 1) / 2 * np.array([56, 40, 56, 40])
    np.testing.assert_allclose(in_pixels, found, atol=1.0)


def test_no_box_stays_none():
    assert np.isnan(Preprocessing((8, 8)).boxes(np.full((1, 4), np.nan), np.array([[5, 5]]))).all()


def test_json_keeps_it():
    preprocessing = Preprocessing((20, 30), 1, "squeeze", 0, 4095)
    assert Preprocessing(**json.loads(json.dumps(asdict(preprocessing)))) == preprocessing


def test_read(tmp_path):
    white(8, 4).save(tmp_path / "image.png")
    image = Preprocessing((8, 8), 1).read(tmp_path / "image.png")
    assert image.dtype == torch.float32
    assert image.sum() == 32
    with pytest.raises(UserError, match=r"other\.png: not there"):
        Preprocessing((8, 8)).read(tmp_path / "other.png")


@pytest.mark.parametrize("wrong", [{"size": (0, 8)}, {"size": (8, 9999)}, {"channels": 4}, {"fit": "crop"}])
def test_refusals(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Preprocessing(**{"size": (8, 8)} | wrong)


def test_an_image_of_the_size_that_is_seen_is_read_without_a_warning(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "image.png")
    torch.set_warn_always(True)  # otherwise PyTorch says so once in a process
    try:
        image = Preprocessing((8, 8), 3).read(tmp_path / "image.png")
    finally:
        torch.set_warn_always(False)
    assert image[:, 0, 0].tolist() == [1, 0, 0]
