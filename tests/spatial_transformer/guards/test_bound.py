"""Limits: never passed, approached smoothly, invisible at the start."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.guards import Bound

START = torch.tensor([[0.0, 1.0, -0.5]], dtype=torch.float64)
BOUND = Bound(low=(-1.0, 0.2, -2.0), high=(0.5, 4.0, 0.0))


def test_the_start_is_left_exactly_as_it_is(family):
    for dtype in (torch.float32, torch.float64):
        start = family.identity(1, dtype=dtype)
        assert torch.equal(Bound.around(start, 0.3)(start, start), start)


def test_the_slope_at_the_start_is_one():
    slope = torch.autograd.functional.jacobian(lambda theta: BOUND(theta, START), START)
    torch.testing.assert_close(slope[0, :, 0], torch.eye(3, dtype=torch.float64))


def test_limits_are_approached_and_not_passed():
    torch.testing.assert_close(BOUND(START + 50, START)[0], BOUND.high)
    torch.testing.assert_close(BOUND(START - 50, START)[0], BOUND.low)
    between = BOUND(START + torch.linspace(-2, 2, 101, dtype=torch.float64)[:, None], START)
    assert ((between > BOUND.low) & (between < BOUND.high)).all()
    assert (between.diff(dim=0) > 0).all()


def test_it_is_tanh_on_each_side():
    moved = BOUND(START + torch.tensor([0.3, -0.4, 0.2], dtype=torch.float64), START)[0]
    expected = torch.tensor([0.5, -0.8, 0.5], dtype=torch.float64)
    expected = expected * torch.tensor([0.3 / 0.5, 0.4 / 0.8, 0.2 / 0.5], dtype=torch.float64).tanh() + START[0]
    torch.testing.assert_close(moved, expected)


def test_derivatives_are_right_also_where_a_limit_is_missing_or_the_start():
    inf = float("inf")
    bound = Bound(low=(-inf, 1.0, -2.0), high=(inf, 1.0, inf))
    theta = torch.tensor([[3.0, 7.0, -1.0], [-3.0, -7.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: bound(value, START), theta)
    bounded = bound(theta, START)
    assert torch.equal(bounded[:, 0], theta[:, 0])  # free
    assert (bounded[:, 1] == 1).all()  # frozen
    assert bounded[1, 2] == 1  # free above
    assert bounded[0, 2] > -1  # held below


def test_a_start_rounded_to_float32_is_frozen_all_the_same():
    start = torch.tensor([[1 / 3]])
    assert torch.equal(Bound(1 / 3, 1 / 3)(start + 5, start), start)


def test_nan_is_passed_on():
    assert BOUND(START * float("nan"), START).isnan().all()


def test_around_has_the_same_room_on_both_sides():
    family = st.ThinPlateSpline((3, 3))
    bound = Bound.around(family.identity(), 0.25)
    far = bound(testing.random_theta(family, spread=100), family.identity(2, dtype=torch.float64))
    assert ((far - family.identity(2, dtype=torch.float64)).abs() <= 0.25 + 1e-6).all()


BAD = {
    "low above high": (lambda: Bound(1, 0), "`low` must not be above `high`"),
    "nan": (lambda: Bound(float("nan"), 0), "`low` must not be above `high`"),
    "two lengths": (lambda: Bound((0, 0), (1, 1, 1)), "`low` and `high` must be of one length; got 2 and 3"),
    "another family": (lambda: BOUND.reach(torch.zeros(1, 6)), "`low` must be one number or 6, one each; got 3"),
    "start outside": (lambda: BOUND.reach(START + 1), "parameter 0 of the start"),
    "start on one limit": (lambda: Bound(0, 1).reach(torch.zeros(1, 2)), "with room on both sides"),
    "reach of another length": (lambda: Bound.around(torch.zeros(3), (1, 2)), "`reach` must be one number or 3; got 2"),
    "negative reach": (lambda: Bound.around(torch.zeros(3), -1), "`low` must not be above `high`"),
    "identity outside": (
        lambda: st.SpatialTransformer(st.ConvLocaliser(1), st.Attention(), bound=Bound(2, 3)),
        "the start must lie between the limits",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
