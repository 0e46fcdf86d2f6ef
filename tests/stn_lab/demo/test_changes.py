"""Sliders against arrays that are turned, cut and shifted by hand."""

import numpy as np
import pytest
import torch

from stn_lab.demo.changes import RANGES, Change, changed, clutter

NONE = torch.empty(0, 1, 1, 1)


def picture(height, width, channels=1):
    """Black but for one bright pixel in each quarter, all different."""
    image = torch.zeros(channels, height, width)
    image[:, 1, 2], image[:, 2, -3], image[:, -2, 1], image[:, -3, -2] = 0.25, 0.5, 0.75, 1.0
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_square_is_turned_clockwise(quarters, channels):
    image = picture(9, 9, channels)
    turned = changed(image, Change(turn=90 * quarters if quarters < 3 else -90), NONE)
    expected = np.rot90(image.numpy(), -quarters, axes=(1, 2)).copy()
    torch.testing.assert_close(turned, torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_what_is_not_square_is_turned_without_being_bent():
    image = torch.zeros(1, 20, 40)
    image[:, 8:12, 18:22] = 1.0  # a square in the middle stays one
    torch.testing.assert_close(changed(image, Change(turn=90), NONE), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("right", "down"), [(0.25, 0.0), (0.0, -0.2), (-0.25, 0.2)])
def test_content_moves_by_parts_of_the_sides(right, down):
    image = torch.zeros(1, 20, 40)
    image[0, 10, 20] = 1.0
    moved = changed(image, Change(right=right, down=down), NONE)
    assert moved[0, 10 + round(20 * down), 20 + round(40 * right)] == pytest.approx(1, abs=1e-5)
    assert moved.sum() == pytest.approx(1, abs=1e-4)


def test_content_grows():
    image = torch.zeros(1, 12, 12)
    image[0, 5:7, 5:7] = 1.0
    grown = changed(image, Change(scale=3), NONE)
    assert 4 * 9 * 0.8 < grown.sum() < 4 * 9 * 1.2
    assert grown[0, 4:8, 4:8].min() > 0.99


def test_nothing_is_moved_to_the_bit_where_no_slider_is():
    image = torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(changed(image, Change(), torch.empty(0, 3, 1, 1)), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_clutter_comes_piece_by_piece_and_stays_where_it_is(channels):
    images = torch.rand(4, channels, 28, 35, generator=torch.Generator().manual_seed(1)) / 2 + 0.5
    pieces = clutter(images)
    assert pieces.shape == (16, channels, 4, 4)
    black = torch.zeros(channels, 28, 35)
    counts = [(changed(black, Change(clutter=number), pieces) > 0).sum().item() for number in range(17)]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[1] == channels * 16
    first, second = (changed(black, Change(clutter=number, turn=number), pieces) for number in (1, 2))
    assert torch.equal(first[first > 0], second[first > 0])  # black turned is black


def test_pieces_cover_photographs_and_join_strokes():
    grey, colour = torch.full((2, 1, 2, 2), 0.5), torch.full((2, 3, 2, 2), 0.5)
    assert changed(torch.ones(1, 14, 14), Change(clutter=2), grey).min() == 1
    assert changed(torch.ones(3, 14, 14), Change(clutter=2), colour).min() == 0.5


def test_without_images_there_is_no_clutter():
    image = torch.rand(1, 14, 14)
    assert torch.equal(changed(image, Change(clutter=5), clutter(torch.empty(0, 1, 14, 14))), image)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("beyond", [-1000.0, 1000.0, float("nan")])
def test_a_slider_out_of_its_range_is_named(name, beyond):
    with pytest.raises(ValueError, match=f"`{name}` must be from"):
        Change(**{name: beyond})
