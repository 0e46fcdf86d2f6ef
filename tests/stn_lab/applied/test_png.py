"""PNG files, read by Pillow."""

import numpy as np
import pytest
from PIL import Image

from stn_lab.applied.png import write_png


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 7, 5), (3, 5, 8), (3, 17, 1)])
def test_pixels_come_back(shape, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        image.verify()  # every checksum
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == {1: "L", 3: "RGB"}[shape[0]]
        read = np.asarray(image).reshape(*shape[1:], shape[0])
    assert np.array_equal(read.transpose(2, 0, 1), pixels)


def test_what_does_not_vary_takes_no_room(tmp_path):
    write_png(tmp_path / "a.png", np.full((3, 224, 224), 200, np.uint8))
    assert (tmp_path / "a.png").stat().st_size < 2000
