"""Penalties: zero for what is harmless, the formula's value elsewhere, a gradient that cures."""

import math

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import guards, testing

PENALTIES = {
    "area": guards.area_penalty,
    "scale": guards.scale_penalty,
    "fold": guards.fold_penalty,
    "identity": guards.identity_penalty,
    "outside": lambda family, theta: guards.outside_penalty(family.grid(theta, (4, 3, 3)[: family.dims])),
}


def affine(a, b, c, d, e, f):
    return torch.tensor([[a, b, c, d, e, f]], dtype=torch.float64)


@pytest.fixture(params=PENALTIES)
def penalty(request):
    return PENALTIES[request.param]


def test_the_identity_is_free(family, penalty):
    values = penalty(family, family.identity(2, dtype=torch.float64))
    assert values.shape == (2,)
    torch.testing.assert_close(values, torch.zeros_like(values), rtol=0, atol=1e-10)


def test_each_image_has_a_value_of_its_own_and_a_finite_gradient(family, penalty):
    theta = testing.random_theta(family, spread=0.3).requires_grad_()
    values = penalty(family, theta)
    alone = torch.cat([penalty(family, row[None]) for row in theta])
    torch.testing.assert_close(values, alone)
    (gradient,) = torch.autograd.grad(values.sum(), theta, allow_unused=True, materialize_grads=True)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["area", "scale", "identity", "outside"])
def test_gradients_are_right(name):
    theta = affine(1.3, 0.2, 0.4, -0.1, 0.8, -0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: PENALTIES[name](st.Affine(), value), theta)


def test_penalties_of_no_images_are_empty(family, penalty):
    assert penalty(family, family.identity(0)).shape == (0,)


def test_the_area_penalty_is_the_square_of_the_log_area():
    zoomed = affine(0.5, 0, 0, 0, 0.25, 0)
    torch.testing.assert_close(guards.area_penalty(st.Affine(), zoomed).item(), math.log(8) ** 2, rtol=1e-4, atol=0)
    mirrored = affine(-2.0, 0, 0, 0, 1, 0)
    torch.testing.assert_close(guards.area_penalty(st.Affine(), mirrored).item(), math.log(2) ** 2, rtol=1e-4, atol=0)


def test_areas_and_scales_between_the_limits_are_free():
    family, theta = st.Attention(), torch.tensor([[0.6, 0.1, 0.0], [0.4, 0.1, 0.0], [2.0, 0.0, 0.0]])
    area = guards.area_penalty(family, theta, low=0.25, high=1.5)
    assert (area > 0).tolist() == [False, True, True]
    torch.testing.assert_close(area[1].item(), math.log(0.16 / 0.25) ** 2, rtol=1e-3, atol=0)
    assert (guards.scale_penalty(family, theta, low=0.5, high=2.5) > 0).tolist() == [False, True, False]


def test_the_scale_penalty_sees_what_the_area_does_not():
    squeezed = affine(2.0, 0, 0, 0, 0.5, 0)
    assert guards.area_penalty(st.Affine(), squeezed) < 1e-9
    torch.testing.assert_close(guards.scale_penalty(st.Affine(), squeezed).item(), math.log(2) ** 2, rtol=1e-4, atol=0)
    turned = st.Affine().from_matrix(st.rotation_matrix(torch.tensor([0.7], dtype=torch.float64)))
    assert guards.scale_penalty(st.Affine(), turned) < 1e-9


def test_the_fold_penalty_counts_negative_determinants():
    assert guards.fold_penalty(st.Affine(), affine(-2.0, 0, 0, 0, 1.5, 0)).item() == 3
    assert guards.fold_penalty(st.Affine(), affine(0.1, 0, 0, 0, 1, 0)).item() == 0
    torch.testing.assert_close(guards.fold_penalty(st.Affine(), affine(0.1, 0, 0, 0, 1, 0), margin=0.5).item(), 0.4)


def test_a_spline_that_folds_in_one_place_is_seen():
    family = st.ThinPlateSpline((3, 3))
    theta = family.identity(1)
    theta[0, 8] += 1.4  # the middle point, past its neighbour
    assert guards.fold_penalty(family, theta) > 0
    assert guards.fold_penalty(family, family.identity(1) + 0.5) == 0


def test_the_identity_penalty_is_the_log_of_the_squared_distance():
    moved = guards.identity_penalty(st.Translation(), torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(moved.item(), math.log(26))


def test_points_outside_are_told_from_points_inside():
    points = torch.tensor([[[[1.0, -1.0], [3.0, 0.0]], [[-2.0, 3.0], [0.5, 0.5]]]])
    torch.testing.assert_close(guards.outside_penalty(points), torch.tensor([(math.log(5) + math.log(6)) / 4]))
    torch.testing.assert_close(guards.outside_fraction(points), torch.tensor([0.5]))


def test_points_nowhere_are_outside_and_keep_the_penalty_finite():
    points = torch.tensor([[[float("inf"), 0.0], [float("nan"), 0.0]]])
    assert guards.outside_fraction(points).item() == 1
    assert guards.outside_penalty(points[:, :1]).isfinite().all()
    behind = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 3.0, 0.0]])
    for name in ("identity", "outside"):
        assert PENALTIES[name](st.Projective(), behind) < 30


# A warp gone astray, and the penalty whose gradient brings it back.
ASTRAY = {
    "zoomed out": ("area", [4.0, 0.0, 0.0], lambda theta: theta[0, 0] < 1.5),
    "nearly nothing": ("area", [0.05, 0.0, 0.0], lambda theta: theta[0, 0] > 0.7),
    "off the image": ("outside", [1.0, 3.0, 0.0], lambda theta: theta[0, :2].abs().sum() < 1.1),
    "far from home": ("identity", [2.0, 1.0, 1.0], lambda theta: theta[0, 1:].abs().max() < 0.1),
}


@pytest.mark.parametrize("case", ASTRAY)
def test_descending_a_penalty_brings_a_warp_back(case):
    name, start, cured = ASTRAY[case]
    theta = torch.tensor([start], requires_grad=True)
    assert not cured(theta)
    optimiser = torch.optim.Adam([theta], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        PENALTIES[name](st.Attention(), theta).sum().backward()
        optimiser.step()
    assert cured(theta)


def test_bad_limits():
    for low, high in ((0, 1), (2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="`low` and `high` must be 0 < low <= high"):
            guards.area_penalty(st.Affine(), st.Affine().identity(), low=low, high=high)


def test_bad_theta_and_points():
    with pytest.raises(ValueError, match=r"`theta` must have shape \(N, 6\)"):
        guards.scale_penalty(st.Affine(), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"`points` must have shape \(N, ..., D\); got \(2,\)"):
        guards.outside_penalty(torch.zeros(2))
