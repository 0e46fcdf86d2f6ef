"""The layer that gives theta: begins where it is told, in every precision."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.guards import Bound
from spatial_transformer.regression import Regression

START = torch.tensor([0.0, 1.0, -0.5], dtype=torch.float64)
BOUND = Bound(low=(-1.0, 0.2, -2.0), high=(0.5, 4.0, 0.0))


def test_it_begins_at_its_start_and_is_linear_from_there():
    regression = Regression(4, START)
    features = torch.rand(2, 4)
    assert torch.equal(regression(features), START.float().expand(2, -1))
    with torch.no_grad():
        regression.weight.normal_()
    torch.testing.assert_close(regression(features), features @ regression.weight.T + START.float())
    regression.reset_to_start()
    assert torch.equal(regression(features), START.float().expand(2, -1))


def test_several_starts_give_a_theta_each():
    starts = testing.random_theta(st.Affine(), batch=3, dtype=torch.float32)
    assert torch.equal(Regression(4, starts)(torch.rand(2, 4)), starts.expand(2, -1, -1))


def test_the_start_is_its_own():
    start = START.clone()
    regression = Regression(4, start)
    start.zero_()
    regression.reset_to_start()
    assert torch.equal(regression.bias.detach(), START.float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_bounded_regression_begins_at_its_start_in_every_precision(dtype):
    family = st.ThinPlateSpline((4, 4))  # a lattice of thirds, which no precision holds
    start = family.identity(1, dtype=torch.float64)[0]
    free, bounded = (Regression(4, start, bound).to(dtype) for bound in (None, Bound.around(start, 0.2)))
    for regression in (free, bounded):
        regression.reset_to_start()
    features = torch.rand(2, 4, dtype=dtype)
    assert torch.equal(bounded(features), free(features))
    assert bounded(features).dtype == torch.promote_types(dtype, torch.float32)


def test_limits_are_not_in_the_state_dict_and_survive_a_cast():
    regression = Regression(4, START, BOUND)
    assert set(regression.state_dict()) == {"weight", "bias"}
    with torch.no_grad():
        regression.half().float().bias.fill_(99)
    torch.testing.assert_close(regression(torch.zeros(1, 4))[0], BOUND.high.float())
    thirds = Regression(4, START / 3).half().double()
    thirds.reset_to_start()
    assert torch.equal(thirds.bias.detach(), START / 3)
