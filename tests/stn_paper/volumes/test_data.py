import math

import pytest
import torch

from stn_lab.digits.sets import load
from stn_paper.volumes.data import SCALE, THICKNESS, DigitVolumes, extrude, place, reach


@pytest.fixture(scope="module")
def digits():
    return load("digits").test


def compose(digits, count=100, seed=0, **options):
    return DigitVolumes(**options).compose(digits, torch.arange(count), torch.Generator().manual_seed(seed))


def block():
    """A digit that is a flat box: 16 pixels wide, 8 high, 12 deep."""
    digit = torch.zeros(1, 1, 28, 28)
    digit[..., 10:18, 6:22] = 1
    return digit


def extent(volume):
    """(x, y, z): how many voxels of a (1, 1, D, H, W) volume are filled along each axis."""
    filled = volume[0, 0] > 0.5
    return [int(filled.any(dim=axes).sum()) for axes in ((0, 1), (0, 2), (1, 2))]


def test_volumes_and_labels(digits):
    volumes, labels = compose(digits)
    assert volumes.shape == (100, 1, 32, 32, 32)
    assert volumes.min() >= 0
    assert volumes.max() <= 1 + 1e-6
    assert torch.equal(labels, digits.labels[:100])


def test_every_slice_of_an_extruded_digit_is_the_digit(digits):
    images = digits.as_input(slice(0, 3))
    solids = extrude(images)
    assert solids.shape == (3, 1, THICKNESS, 28, 28)
    assert all(torch.equal(solids[:, :, depth], images) for depth in range(THICKNESS))


@pytest.mark.parametrize(
    ("axis", "expected"), [(None, (16, 8, 12)), (0, (16, 12, 8)), (1, (12, 8, 16)), (2, (8, 16, 12))]
)
def test_a_quarter_turn_about_an_axis_exchanges_the_other_two(axis, expected):
    turn = torch.zeros(1, 3)
    if axis is not None:
        turn[0, axis] = math.pi / 2
    placed = place(extrude(block()), 32, turn=turn, shift=torch.zeros(1, 3))
    assert extent(placed) == pytest.approx([SCALE * length for length in expected], abs=1.5)


def test_a_digit_that_is_not_turned_shows_itself_in_the_sum_over_depth():
    placed = place(extrude(block()), 32, turn=torch.zeros(1, 3), shift=torch.zeros(1, 3))
    seen = placed.sum(dim=2)[0, 0] / (SCALE * THICKNESS)
    assert seen[16, 16] == pytest.approx(1, abs=0.15)  # 3.6 voxels of ink, of which 4 are read
    assert seen.sum().item() == pytest.approx(block().sum().item() * SCALE**2, rel=0.15)


def test_digits_move_along_all_axes_by_the_voxels_asked_for():
    shift = torch.tensor([[5.0, -4.0, 3.0]])
    placed = place(extrude(block()), 32, turn=torch.zeros(1, 3), shift=shift)[0, 0]
    at = torch.arange(32) + 0.5 - 16
    centre = [(placed.sum(dim=axes) * at).sum() / placed.sum() for axes in ((0, 1), (0, 2), (1, 2))]
    assert torch.stack(centre).tolist() == pytest.approx(shift[0].tolist(), abs=0.1)


def test_places_and_turns_are_random_in_all_three_dimensions(digits):
    volumes = compose(digits)[0][:, 0]
    at = torch.arange(32.0)
    mass = volumes.sum(dim=(1, 2, 3))
    for axes in ((1, 2), (1, 3), (2, 3)):
        centre = (volumes.sum(dim=axes) * at).sum(dim=1) / mass  # (N,)
        assert centre.std() > 1
    depth = (volumes.amax(dim=(2, 3)) > 0.3).sum(dim=1)  # slices with ink: more than an unturned digit has
    assert (depth > 1.2 * SCALE * THICKNESS).float().mean() > 0.5


def test_nothing_leaves_the_volume(digits):
    """A digit pushed into a corner has no ink on the faces of the cube, and as much as in a cube twice as large."""
    corners = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]]).repeat(50, 1)
    images = digits.as_input(slice(0, 100))
    generator = torch.Generator().manual_seed(0)
    turn = math.pi * (2 * torch.rand(100, 3, generator=generator) - 1)
    room = (16 - SCALE * reach(images)).clamp(min=0)
    shift = room[:, None] * corners
    inside, larger = (place(extrude(images), side, turn=turn, shift=shift) for side in (32, 64))
    assert room.median() > 2, "there is no room to move"
    torch.testing.assert_close(inside.sum(dim=(1, 2, 3, 4)), larger.sum(dim=(1, 2, 3, 4)), rtol=1e-4, atol=0)


def test_the_generator_alone_decides(digits):
    assert torch.equal(compose(digits)[0], compose(digits)[0])
    assert not torch.equal(compose(digits)[0], compose(digits, seed=1)[0])
