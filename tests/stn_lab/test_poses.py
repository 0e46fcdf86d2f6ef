"""Poses of regions, of boxes, and how much of one is undone by the other."""

import math

import pytest
import torch

import spatial_transformer as st
from stn_lab.poses import LEAST, Pose, pose_of_boxes, pose_of_region, undone

SIZE = (20, 40)
TURN, SCALE, SHIFT = 0.3, 0.6, (0.2, -0.1)


def turned_region(family):
    """The theta of a region that is turned, scaled and shifted, in images of `SIZE`."""
    sides = torch.tensor([[40.0, 20.0]], dtype=torch.float64)
    matrix = (
        st.translation_matrix(torch.tensor([SHIFT], dtype=torch.float64))
        @ st.scale_matrix(1 / sides)
        @ st.rotation_matrix(torch.tensor([TURN], dtype=torch.float64))
        @ st.scale_matrix(SCALE * sides)
    )
    if isinstance(family, st.families.MatrixFamily):
        return family.from_matrix(matrix)
    at = family.identity(1, dtype=torch.float64).unflatten(1, (-1, 2))  # control points go where the matrix takes them
    return (at @ matrix[:, :2, :2].mT + matrix[:, None, :2, 2]).flatten(1)


@pytest.mark.parametrize(
    "family",
    [st.Similarity(extent=(40, 20)), st.Affine(), st.Projective(), st.ThinPlateSpline(), st.PiecewiseAffine()],
    ids=str,
)
def test_a_region_is_turned_scaled_and_shifted_as_it_was_made(family):
    pose = pose_of_region(family, turned_region(family), SIZE)
    assert pose.rotation.item() == pytest.approx(TURN, abs=1e-9)
    assert math.exp(pose.scale.item()) == pytest.approx(SCALE, abs=1e-9)
    assert pose.shift[0].tolist() == pytest.approx(SHIFT, abs=1e-9)


@pytest.mark.parametrize(
    "family",
    [
        st.Translation(),
        st.Attention(),
        st.Rigid(),
        st.BSpline(),
        st.Displacement((4, 4)),
        st.Velocity(),
        st.Structured(torch.sin),
    ],
    ids=str,
)
def test_the_identity_has_no_pose(family):
    pose = pose_of_region(family, family.identity(2), SIZE)
    assert torch.cat(pose, dim=1).abs().max() < 1e-12


def test_a_box_has_a_size_to_scale_and_a_centre():
    pose = pose_of_boxes(torch.tensor([[-1.0, -0.5, 0.0, 0.5], [torch.nan] * 4]), SIZE)
    assert math.exp(pose.scale[0]) == pytest.approx((40 * 20) ** 0.5)  # twice the pixels: 40 x 20 of them
    assert pose.shift[0].tolist() == [-0.5, 0.0]
    assert pose.rotation.isnan().all()
    assert pose.scale[1].isnan()


def some_poses(count=400):
    generator = torch.Generator().manual_seed(0)
    return Pose(*(0.3 * torch.randn(count, n, generator=generator, dtype=torch.float64) for n in (1, 1, 2)))


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_the_share_is_the_slope_and_what_remains_is_the_rest(share):
    applied = some_poses()
    found = Pose(*(share * values + 0.7 for values in applied))
    measured = undone(applied, found, "distortion")
    assert list(measured) == ["rotation", "scale", "shift"]
    for one in measured.values():
        assert one["share_percent"] == pytest.approx(100 * share, abs=1e-6)
        assert one["source"] == "distortion"
    (spread,) = (applied.rotation - applied.rotation.mean()).square().mean().sqrt()[None].tolist()
    turns = measured["rotation"]
    assert turns["applied_spread"] == pytest.approx(math.degrees(spread))
    assert turns["remaining_spread"] == pytest.approx(math.degrees((1 - share) * spread), abs=1e-6)
    assert turns["unit"] == "degrees"
    if share == 0:
        for one in measured.values():
            assert one["remaining_spread"] == pytest.approx(one["applied_spread"])


def test_noise_lowers_nothing_but_remains():
    applied = some_poses(20_000)
    noise = 0.1 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turns = undone(applied, applied._replace(rotation=applied.rotation + noise), "distortion")["rotation"]
    assert turns["share_percent"] == pytest.approx(100, abs=2)
    assert turns["remaining_spread"] == pytest.approx(math.degrees(0.1), rel=0.02)


def test_angles_are_compared_across_half_a_turn():
    applied = some_poses()
    found = applied._replace(rotation=torch.remainder(applied.rotation + 3 + math.pi, 2 * math.pi) - math.pi)
    assert undone(applied, found, "distortion")["rotation"]["share_percent"] == pytest.approx(100)


def test_what_does_not_vary_or_is_not_known_is_not_measured():
    applied = some_poses()
    applied = Pose(applied.rotation * torch.nan, applied.scale * 0 + LEAST["scale"], applied.shift)
    assert list(undone(applied, some_poses(), "boxes")) == ["shift"]


def test_images_that_are_not_known_do_not_count():
    applied = some_poses()
    found = Pose(*(values.clone() for values in applied))
    for values in found:
        values[7] = torch.nan
        values[9] = torch.inf
    for values in applied:
        values[5] = torch.nan
    measured = undone(applied, found, "boxes")
    assert [one["share_percent"] for one in measured.values()] == pytest.approx([100, 100, 100])
