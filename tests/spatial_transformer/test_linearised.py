import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing


def blob(centre, size=64, width=3.0):
    """(1, 1, size, size): one bright spot, in pixels."""
    axis = torch.arange(float(size))
    x, y = axis - centre[0], axis - centre[1]
    return torch.exp(-(x[None] ** 2 + y[:, None] ** 2) / (2 * width**2))[None, None]


def final_distance(mode, steps=100):
    """How far, in pixels, gradient descent on a translation ends from a target that starts 20 pixels away."""
    moving, fixed = blob((22.0, 32.0)), blob((42.0, 32.0))
    theta = torch.zeros(1, 2, requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=0.03)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (st.warp(moving, st.Translation(), theta, mode=mode) - fixed).square().sum()
        loss.backward()
        optimiser.step()
    return (theta[0] * 32 - torch.tensor([-20.0, 0.0])).norm().item()


def test_it_finds_a_spot_20_pixels_away_where_bilinear_does_not():
    assert final_distance("bilinear") > 15
    assert final_distance(st.Linearised(spread=12.0, count=48)) < 0.5


def test_values_are_bilinear():
    image, points = (
        testing.random_image((9, 7), channels=1),
        testing.random_points(2, 2, 30, spread=1.3, dtype=torch.float32),
    )
    close = torch.testing.assert_close
    close(st.sample(image, points, mode=st.Linearised()), st.sample(image, points))
    close(st.sample(image, points.requires_grad_(), mode=st.Linearised()), st.sample(image, points))


def test_the_gradient_of_a_plane_is_its_slope(dims):
    size = (33, 21, 17)[:dims]
    slope = torch.tensor([0.3, -0.7, 0.2][:dims], dtype=torch.float64)
    plane = (st.target_points(size, dtype=torch.float64) * slope).sum(-1)[:, None]
    points = testing.random_points(dims, 1, 5, spread=0.2).requires_grad_()
    st.sample(plane, points, mode=st.Linearised(spread=1.0)).sum().backward()
    torch.testing.assert_close(points.grad, slope.expand(1, 5, dims), atol=1e-9, rtol=0)


def test_the_image_gets_the_bilinear_gradient():
    image = testing.random_image((9, 7), channels=1, dtype=torch.float64).requires_grad_()
    points = testing.random_points(2, 2, 30).requires_grad_()
    gradients = [
        torch.autograd.grad(st.sample(image, points, mode=mode).square().sum(), image)[0]
        for mode in (st.Linearised(), "bilinear")
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("mode", [st.Linearised(spread=2.0)])
def test_it_repeats(mode):
    image = testing.random_image((9, 7), channels=1)
    points = testing.random_points(2, 2, 30, dtype=torch.float32).requires_grad_()
    first, second = (torch.autograd.grad(st.sample(image, points, mode=mode).sum(), points)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("count", [4, 6, 16])
def test_a_mirrored_image_has_the_mirrored_gradient(dims, count):
    image = testing.random_image((7, 6, 5)[:dims], batch=1, channels=2, dtype=torch.float64)
    points = testing.random_points(dims, 1, 20)

    def slope(image, points):
        points = points.clone().requires_grad_()
        values = st.sample(image, points, mode=st.Linearised(spread=2.0, count=count))
        return torch.autograd.grad((values * torch.arange(20.0)).sum(), points)[0]

    plain = slope(image, points)
    for axes in ((0,), (dims - 1,), range(dims)):
        sign = torch.tensor([-1.0 if axis in axes else 1.0 for axis in range(dims)])
        mirrored = slope(image.flip([-1 - axis for axis in axes]), points * sign)
        torch.testing.assert_close(mirrored, plain * sign, rtol=0, atol=1e-10)
