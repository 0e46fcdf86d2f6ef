"""Velocity fields: agreement with a fine integration, the inverse, no folds."""

import math

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
# What the docstring promises for moderate velocities.
PROMISED = 1e-3
CONTROLS = [(4, 4), (8, 8), (3, 5), (2, 2), (3, 3, 3)]
controls = pytest.mark.parametrize("control", CONTROLS, ids=str)


def moderate(family, seed=0):
    spacing = 2 / (max(family.control) - 1)
    return testing.random_theta(family, spread=min(spacing / 4, 0.15), seed=seed)


def integrated(family, theta, points, steps=64):
    """The flow by the classical Runge-Kutta rule, a point at a time."""
    h = 1 / steps
    for _ in range(steps):
        one = family.velocity(theta, points)
        two = family.velocity(theta, points + h / 2 * one)
        three = family.velocity(theta, points + h / 2 * two)
        four = family.velocity(theta, points + h * three)
        points = points + h / 6 * (one + 2 * two + 2 * three + four)
    return points


@controls
def test_points_follow_the_velocity_field(control):
    family = st.Velocity(control)
    theta, points = moderate(family), testing.random_points(family.dims, 1, 200)
    error = (family.points(theta, points) - integrated(family, theta, points.expand(2, -1, -1))).abs().max()
    assert error < PROMISED


@controls
def test_minus_theta_undoes(control):
    family = st.Velocity(control)
    theta, points = moderate(family, seed=1), testing.random_points(family.dims, 1, 200)
    moved = family.points(theta, points)
    assert torch.equal(family.inverse(theta), -theta)
    assert (moved - points).abs().max() > 0.05  # something to undo
    assert (family.points(family.inverse(theta), moved) - points).abs().max() < PROMISED


def test_a_finer_grid_is_more_exact_by_the_fourth_power():
    errors = []
    for length in (13, 25, 49):
        family = st.Velocity((4, 4), resolution=(length, length))
        theta, points = testing.random_theta(family, spread=0.1), testing.random_points(2, 1, 200, spread=0.8)
        errors.append((family.points(-theta, family.points(theta, points)) - points).abs().mean().item())
    assert math.log2(errors[0] / errors[1]) > 3
    assert math.log2(errors[1] / errors[2]) > 3


@pytest.mark.parametrize("steps", [0, 3, 7])
def test_equal_velocities_are_a_shift(steps):
    family = st.Velocity((3, 4), steps=steps)
    shift = torch.tensor([0.3, -0.2], dtype=torch.float64)
    points = testing.random_points(2, 1, 20, spread=3)
    moved = family.points(shift.repeat(1, 12), points)
    torch.testing.assert_close(moved, points + shift, rtol=0, atol=ATOL)


def test_more_steps_come_nearer_to_the_flow():
    errors = []
    for steps in (0, 2, 4):
        family = st.Velocity((3, 3), steps=steps, resolution=(60, 60))
        theta, points = testing.random_theta(family, spread=0.2), testing.random_points(2, 1, 100)
        errors.append((family.points(theta, points) - integrated(family, theta, points.expand(2, -1, -1))).abs().max())
    assert errors[0] > 10 * errors[1] > 30 * errors[2]


def test_it_does_not_fold_where_displacements_of_that_size_do():
    grid = st.target_points((40, 40), dtype=torch.float64)
    velocity, free_form = st.Velocity((5, 5)), st.BSpline((5, 5))
    theta = testing.random_theta(velocity, batch=4, spread=0.4)
    assert free_form.folds(theta, grid).flatten(1).any(dim=1).all()
    assert not velocity.folds(theta, grid).any()


def test_a_small_velocity_is_a_displacement():
    velocity, free_form = st.Velocity((3, 4)), st.BSpline((3, 4))
    theta, points = testing.random_theta(velocity, spread=1e-4), testing.random_points(2, 1, 20)
    torch.testing.assert_close(velocity.points(theta, points), free_form.points(theta, points), rtol=0, atol=1e-6)


def test_the_velocity_is_the_spline_of_the_same_theta():
    velocity, free_form = st.Velocity((3, 4)), st.BSpline((3, 4))
    theta, points = testing.random_theta(velocity), testing.random_points(2, 2, 5, 4, spread=2)
    torch.testing.assert_close(velocity.velocity(theta, points), free_form.points(theta, points) - points)


BAD = {
    "one control point": (lambda: st.Velocity((1, 4)), "every entry of `control` must be at least 2"),
    "negative steps": (lambda: st.Velocity(steps=-1), "`steps` must be a whole number, zero or more; got -1"),
    "broken steps": (lambda: st.Velocity(steps=2.5), "`steps` must be a whole number, zero or more; got 2.5"),
    "one node": (lambda: st.Velocity(resolution=(1, 9)), "every entry of `resolution` must be at least 2"),
    "a volume of nodes": (lambda: st.Velocity(resolution=(9, 9, 9)), r"`resolution` must be \(H, W\)"),
    "theta": (lambda: st.Velocity((2, 2)).inverse(torch.zeros(1, 6)), r"`theta` must have shape \(N, 8\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
