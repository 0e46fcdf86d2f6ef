"""Pixels and outlines."""

import base64
import io

import matplotlib.image
import numpy as np
import pytest

from stn_lab.views.pictures import Frame, frame, margin, picture, region


def pixels_of(address: str) -> np.ndarray:
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return matplotlib.image.imread(io.BytesIO(data), format="png")


@pytest.mark.parametrize("size", [(1, 1), (5, 17), (42, 42)])
def test_picture_is_a_png_of_the_image(size):
    image = np.random.default_rng(0).random(size, dtype=np.float32)
    made = picture(image)
    assert (made.height, made.width) == size
    np.testing.assert_allclose(pixels_of(made.address), image, atol=0.5 / 255 + 1e-6)


def test_picture_clips_and_takes_nan_for_black():
    made = picture(np.array([[-1.0, 2.0, np.nan, np.inf, -np.inf]]))
    np.testing.assert_array_equal(pixels_of(made.address), [[0, 1, 0, 1, 0]])


def test_region_is_drawn_in_pixels():
    found = region(np.array([[0.0, 0.0], [10.0, 0.0], [5.0, 6.0]]), width=10, height=4)
    assert found.path == "M0.00 0.00 L10.00 0.00 L5.00 6.00 Z"
    assert found.corner == (0.0, 0.0)


def test_region_leaves_out_what_is_not_finite_and_stays_in_reach():
    found = region(np.array([[np.nan, 0.0], [1.0, 1.0], [1e6, np.inf], [1e6, -1e6]]), width=2, height=3)
    assert found.path == "M1.00 1.00 L20.00 -30.00 Z"
    assert region(np.full((4, 2), np.nan), width=2, height=2) is None


def test_a_frame_is_a_box_that_is_there():
    assert frame(np.array([1.0, 2.0, 4.5, 8.0])) == Frame(1.0, 2.0, 3.5, 6.0)
    assert frame(np.array([1.0, np.nan, 4.5, 8.0])) is None


def test_margin_makes_room_within_reason():
    corners = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]]) * [20, 10]
    inside, outside = (np.tile(corners / 2, (3, 1, 1, 1)), np.tile(1.2 * corners, (3, 1, 1, 1)))
    assert margin(inside, 20, 10) == pytest.approx(0.08)
    assert margin(outside, 20, 10) == pytest.approx(0.24)
    assert margin(1e6 * outside, 20, 10) == pytest.approx(0.4)
    assert margin(outside * np.nan, 20, 10) == pytest.approx(0.08)
    assert margin(outside[:0], 20, 10) == pytest.approx(0.08)
