import pytest
import torch
from torch.nn import functional as F

import spatial_transformer as st
from stn_lab.colocalisation import Colocaliser, boxes_of, overlap
from stn_lab.encoders import Gradients
from stn_lab.finding import Sought, find, middle, moved, windows

SIDE = 1 / 3


def scene(*corners, count=1):
    """(count, 3, 84, 84) images with the same pattern of 28 pixels at (x, y) corners."""
    pattern = (
        torch.rand(3, 7, 7, generator=torch.Generator().manual_seed(1)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    )
    image = torch.full((3, 84, 84), 0.5)
    for x, y in corners:
        image[:, y : y + 28, x : x + 28] = pattern
    return image.expand(count, -1, -1, -1)


def window(x, y):
    return torch.tensor([[SIDE, (x + 14) / 42 - 1, (y + 14) / 42 - 1]])


@pytest.fixture(scope="module")
def network():
    return Colocaliser(Gradients(), 3, SIDE)


@pytest.fixture(scope="module")
def thing(network):
    crop = st.warp(scene((28, 28)), st.Attention(), window(28, 28), (28, 28))
    return Sought(F.normalize(network.encode(crop)[0], dim=0), torch.zeros(2))


@pytest.mark.parametrize("corner", [(0, 0), (56, 56), (13, 41), (28, 28)])
def test_the_thing_is_found_wherever_it_is(corner, network, thing):
    theta, sure = find(network, thing, scene(corner))
    assert overlap(theta, boxes_of(window(*corner))).item() > 0.7
    assert sure.item() > 0.9


def test_it_is_not_sure_where_there_are_two(network, thing):
    _, sure = find(network, thing, torch.cat([scene((0, 0)), scene((0, 0), (56, 56))]))
    assert sure[0] > 0.9
    assert sure[1] < 0.7
    assert find(network, thing, torch.full((1, 3, 84, 84), 0.5))[1].item() < 0.5  # nor where there is none


def test_the_middle_is_that_of_what_is_shared():
    places = [(30, 20), (10, 40), (45, 33)]
    images = torch.cat([scene(place) for place in places])
    on, off = (torch.cat([window(x - dx, y - dy) for x, y in places]) for dx, dy in ((0, 0), (7, -4)))
    there = middle(images, on)
    assert there.abs().max() < 0.2
    assert (middle(images, off) - there).tolist() == pytest.approx([7 / 14, -4 / 14], abs=0.1)
    torch.testing.assert_close(moved(off, torch.tensor([7 / 14, -4 / 14])), on)


def test_windows_are_all_over_the_picture_and_hardly_leave_it():
    found = windows(SIDE)
    boxes = boxes_of(found)
    assert boxes.min() == pytest.approx(-1.04, abs=1e-5)
    assert boxes.max() == pytest.approx(1.04, abs=1e-5)
    assert found[:, 0].unique().tolist() == pytest.approx([0.85 / 3, 1 / 3, 1.18 / 3])
    assert boxes_of(windows(1.0)).abs().max() < 1.3
