"""Free-form deformation: agreement with SciPy and a plain sum, shifts, smoothness."""

import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
controls = pytest.mark.parametrize("control", [(4, 4), (2, 2), (3, 6), (2, 4, 3)], ids=str)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


@controls
def test_points_are_moved_by_the_sum_over_control_points(control):
    family = st.BSpline(control)
    theta, points = testing.random_theta(family, batch=1), testing.random_points(family.dims, 30, spread=1.5)
    bump = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    expected = points.numpy().copy()
    displacement = theta[0].unflatten(0, (*control, family.dims)).numpy()
    # The border is repeated outside: two more control points on each side reach as far as these points.
    for index in itertools.product(*(range(-4, length + 4) for length in control)):
        inside = tuple(min(max(i, 0), length - 1) for i, length in zip(index, control, strict=True))
        weight = np.ones(len(points))
        for axis, (i, length) in enumerate(zip(index, control, strict=True)):
            centre = -1 + 2 * i / (length - 1)
            distance = (points[:, family.dims - 1 - axis].numpy() - centre) * (length - 1) / 2
            weight = weight * np.nan_to_num(bump(distance))
        expected += weight[:, None] * displacement[inside]
    np.testing.assert_allclose(family.points(theta, points)[0], expected, rtol=0, atol=ATOL)


@controls
def test_equal_displacements_are_a_shift_everywhere(control):
    family = st.BSpline(control)
    shift = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)[: family.dims]
    theta = shift.repeat(family.parameter_count // family.dims)[None]
    points = testing.random_points(family.dims, 1, 20, spread=5)
    close(family.points(theta, points), points + shift)


def test_a_control_point_moves_what_is_near_and_nothing_else():
    family = st.BSpline((7, 7))  # 1/3 apart
    theta = family.identity(1, dtype=torch.float64).unflatten(1, (7, 7, 2))
    theta[0, 3, 3, 1] = 0.9
    points = torch.tensor([[0.0, 0.0], [0.0, 0.67], [-0.7, 0.0], [0.0, 0.65]], dtype=torch.float64)
    moved = (family.points(theta.flatten(1), points) - points)[0]
    close(moved[0], torch.tensor([0, 0.4], dtype=torch.float64))
    close(moved[1:3], torch.zeros(2, 2, dtype=torch.float64))
    assert 0 < moved[3, 1] < 1e-3


@controls
def test_the_warp_is_twice_continuously_differentiable_across_control_points(control):
    family = st.BSpline(control)
    theta = testing.random_theta(family, batch=1)
    at = torch.zeros(1, family.dims, dtype=torch.float64)
    for knot in torch.linspace(-1, 1, control[-1], dtype=torch.float64):
        sides = []
        for side in (-1e-9, 1e-9):
            at[0, 0] = knot + side
            first = family.jacobian(theta, at)
            second = torch.autograd.functional.jacobian(lambda point: family.jacobian(theta, point), at)
            sides.append((first, second))
        torch.testing.assert_close(sides[0], sides[1], rtol=0, atol=1e-6)
