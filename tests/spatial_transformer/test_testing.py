"""The shipped checks: they pass what is right and fail what is wrong."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing


class Scale(st.Family):
    """A family of one's own: `x_s = s x`, with a mistake on request."""

    def __init__(self, mistake=None, by=0.0):
        super().__init__(2, torch.ones(1))
        self.mistake, self.by = mistake, by

    def _transform(self, theta, points):
        factor = theta[..., None]
        if self.mistake == "gradient of theta":
            factor = factor.detach() + self.by * (factor - factor.detach())
        if self.mistake == "gradient of points":
            points = points.detach() + self.by * (points - points.detach())
        return factor * points + (self.by if self.mistake == "identity" else 0)


@pytest.mark.parametrize("size", [(17, 11), (1, 1)], ids=str)
def test_a_correct_family_of_ones_own_passes(size):
    testing.assert_identity_returns_input(Scale(), size)
    testing.assert_gradients(Scale())


@pytest.mark.parametrize(
    ("dtype", "by"),
    [(torch.float64, 1e-8), (torch.float32, 1e-5), (torch.float16, 1e-3), (torch.bfloat16, 1e-2)],
    ids=str,
)
def test_a_wrong_identity_fails(dtype, by):
    with pytest.raises(AssertionError, match="identity of Scale"):
        testing.assert_identity_returns_input(Scale("identity", by), (17, 11), dtype=dtype)


@pytest.mark.parametrize("by", [0.0, 0.99])
@pytest.mark.parametrize("mistake", ["gradient of theta", "gradient of points"])
def test_a_wrong_derivative_fails(mistake, by):
    with pytest.raises(AssertionError, match=r"`points` of Scale.* has a wrong derivative"):
        testing.assert_gradients(Scale(mistake, by))


def test_a_family_without_any_derivative_fails():
    class Frozen(st.Family):
        def __init__(self):
            super().__init__(2, torch.ones(1))

        def _transform(self, theta, points):
            return (theta[..., None] * points).detach()

    with pytest.raises(AssertionError, match="wrong derivative"):
        testing.assert_gradients(Frozen())


def test_tolerances_loosen_with_the_dtype_only():
    order = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    assert list(testing.TOLERANCES) == order
    assert sorted(testing.TOLERANCES.values()) == list(testing.TOLERANCES.values())
    for dtype, tolerance in testing.TOLERANCES.items():
        assert torch.finfo(dtype).eps / 4 < tolerance < 1e-2


def test_random_inputs_are_reproducible_and_leave_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, again, other = (testing.random_image((4, 3), seed=seed) for seed in (0, 0, 1))
    testing.random_theta(st.Affine())
    testing.random_points(2, 5)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_random_theta_lies_around_the_identity():
    theta = testing.random_theta(st.Affine(), batch=2000, spread=0.1)
    torch.testing.assert_close(theta.mean(dim=0), st.Affine().identity(1)[0].double(), rtol=0, atol=0.01)
    torch.testing.assert_close(theta.std(dim=0), torch.full((6,), 0.1).double(), rtol=0, atol=0.01)


def test_random_points_fill_the_spread():
    points = testing.random_points(3, 1000, spread=2)
    assert points.shape == (1000, 3)
    assert 1.9 < points.max() <= 2
    assert -2 <= points.min() < -1.9
