"""What is undone, found by trial: an eye that sees where a spot is, measured by its moments, undoes all."""

import pytest
import torch

import spatial_transformer as st
from stn_lab.poses import Pose
from stn_lab.trials import moved, tried

SIZE = (48, 64)


@pytest.fixture(scope="module")
def spots():
    """(6, 1, 48, 64) elongated bright spots on black, of several places, sizes and angles."""
    at = st.target_points(SIZE)[0] * torch.tensor([32.0, 24.0])  # pixels from the centre
    turn, length, centre = torch.linspace(-0.6, 0.6, 6), torch.linspace(3, 5, 6), torch.linspace(-8, 8, 6)
    offset = at[None] - torch.stack([centre, -centre / 2], dim=1)[:, None, None]
    along = offset[..., 0] * turn.cos()[:, None, None] + offset[..., 1] * turn.sin()[:, None, None]
    across = offset[..., 1] * turn.cos()[:, None, None] - offset[..., 0] * turn.sin()[:, None, None]
    length = length[:, None, None]
    return torch.exp(-((along / length) ** 2) - (across / length * 2) ** 2)[:, None]


def moments(images):
    """The pose of what is bright: its centre, its spread and the direction in which it is longest."""
    at = st.target_points(SIZE).double() * torch.tensor([32.0, 24.0])  # (1, 48, 64, 2)
    weight = images[:, 0, ..., None].double()
    weight = weight / weight.sum(dim=(1, 2), keepdim=True)
    centre = (weight * at).sum(dim=(1, 2))  # (N, 2)
    off = at - centre[:, None, None]
    xx, yy, xy = ((weight[..., 0] * off[..., i] * off[..., j]).sum(dim=(1, 2)) for i, j in ((0, 0), (1, 1), (0, 1)))
    turn = 0.5 * torch.atan2(2 * xy, xx - yy)
    return Pose(turn[:, None], (xx * yy - xy**2).log()[:, None] / 4, centre / torch.tensor([32.0, 24.0]))


def test_an_eye_that_follows_undoes_all(spots):
    measured = tried(moments, spots)
    for one in measured.values():
        assert one["share_percent"] == pytest.approx(100, abs=2)
        assert one["remaining_spread"] < 0.2 * one["applied_spread"]  # small spots are blurred when they are warped
        assert one["source"] == "trial"


def test_an_eye_that_stays_undoes_nothing_and_all_remains(spots):
    still = moments(spots)
    measured = tried(lambda images: still, spots, ("rotation", "shift"))
    assert list(measured) == ["rotation", "shift"]
    assert measured["rotation"]["share_percent"] == 0
    assert measured["rotation"]["remaining_spread"] == measured["rotation"]["applied_spread"]
    assert measured["rotation"]["applied_spread"] == pytest.approx(250**0.5)  # of 10 and 20 degrees
    assert measured["shift"]["applied_spread"] == pytest.approx(100 * (0.0125 / 4) ** 0.5)  # of either axis


def test_an_eye_that_follows_half_way_undoes_half(spots):
    def half(images):
        return Pose(*(values / 2 for values in moments(images)))

    assert [one["share_percent"] for one in tried(half, spots).values()] == pytest.approx([50, 50, 50], abs=1)


def test_a_quarter_turn_is_clockwise_and_keeps_shapes():
    image = torch.zeros(1, 1, 6, 6)
    image[0, 0, 0, 2] = 1
    quarter = st.rotation_matrix(torch.tensor([torch.pi / 2], dtype=torch.float64))[0]
    torch.testing.assert_close(moved(image, quarter), image.rot90(-1, dims=(2, 3)), atol=1e-5, rtol=0)


def test_images_that_are_not_seen_do_not_count(spots):
    def blind_in_one(images):
        pose = moments(images)
        pose.shift[2] = torch.nan
        return pose

    assert tried(blind_in_one, spots, ("shift",))["shift"]["share_percent"] == pytest.approx(100, abs=2)
