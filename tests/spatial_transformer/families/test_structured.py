"""M_theta B: agreement with the families that it contains, learnt bases."""

import copy

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


def homogeneous(points):
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


def test_affine_is_the_basis_of_coordinates(dims):
    family, affine = st.Structured(homogeneous, dims=dims), st.Affine(dims)
    theta, points = testing.random_theta(affine), testing.random_points(dims, 2, 6)
    assert family.parameter_count == affine.parameter_count
    assert family.dims == dims
    close(family.points(theta - affine.identity(1, dtype=torch.float64), points), affine.points(theta, points))


def test_attention_is_that_basis_with_a_filled_matrix():
    scale, x, y = 0.5, 0.25, -0.125
    theta = torch.tensor([[scale - 1, 0, x, 0, scale - 1, y]], dtype=torch.float64)
    attention = torch.tensor([[scale, x, y]], dtype=torch.float64)
    points = testing.random_points(2, 1, 6)
    close(st.Structured(homogeneous).points(theta, points), st.Attention().points(attention, points))


def test_free_form_deformation_is_the_basis_of_b_splines():
    spline = st.BSpline((3, 4))

    def bumps(points):  # what each control point does alone: (..., 12)
        alone = torch.eye(12, dtype=points.dtype)[:, :, None].expand(-1, -1, 2).flatten(1)  # (12, 24), both axes alike
        return (spline.points(alone, points.reshape(1, -1, 2)) - points.reshape(1, -1, 2))[..., 0].T.reshape(
            *points.shape[:-1], 12
        )

    theta, points = testing.random_theta(spline), testing.random_points(2, 1, 8)
    matrix = theta.unflatten(1, (12, 2)).mT.flatten(1)  # rows are axes here
    close(st.Structured(bumps).points(matrix, points), spline.points(theta, points))


@pytest.mark.parametrize("size", [(4, 5), (1, 3), (2, 3, 4)], ids=str)
def test_images_are_read_as_a_flow_is(size):
    basis = testing.random_image(size, batch=1, dtype=torch.float64)[0]  # (3, *size)
    dims = len(size)
    family, flow = st.Structured(basis), st.Displacement(size)
    theta, points = testing.random_theta(family), testing.random_points(dims, 1, 30, spread=1.5)
    moves = (theta.unflatten(1, (dims, 3)) @ basis.flatten(1)).flatten(1)
    close(family.points(theta, points), flow.points(moves, points))


def test_only_a_learnt_basis_is_in_the_state_dict():
    basis = testing.random_image((4, 5), batch=1)[0]
    assert st.Structured(basis).state_dict() == {}
    assert st.Structured(torch.sin).state_dict() == {}
    assert list(st.Structured(basis, learnable=True).state_dict()) == ["basis"]
    assert list(st.Structured(nn.Linear(2, 3)).state_dict()) == ["basis.weight", "basis.bias"]


@pytest.mark.parametrize("module", [False, True], ids=["images", "module"])
def test_a_learnt_basis_gets_the_right_gradient(module):
    basis = nn.Linear(2, 3).double() if module else testing.random_image((4, 5), batch=1, dtype=torch.float64)[0]
    family = st.Structured(basis, learnable=not module)
    theta, points = testing.random_theta(family), testing.random_points(2, 2, 6)
    testing.assert_gradients(family)
    names, values = zip(*family.named_parameters(), strict=True)

    class Points(nn.Module):
        def __init__(self):
            super().__init__()
            self.family = family

        def forward(self):
            return self.family.points(theta, points)

    def of_basis(*weights):
        changed = {f"family.{name}": weight for name, weight in zip(names, weights, strict=True)}
        return torch.func.functional_call(Points(), changed, ())

    assert torch.autograd.gradcheck(of_basis, values)


def test_a_learnt_basis_makes_a_warp_possible_that_the_first_one_could_not():
    torch.manual_seed(0)
    family = st.Structured(0.01 * torch.randn(1, 4, 4), learnable=True)
    goal = st.target_points((4, 4))
    goal = goal + 0.1 * torch.sin(3 * goal.flip(-1))[..., :1] * torch.tensor([1.0, 0.0])
    theta = torch.tensor([[0.5, 0.0]], requires_grad=True)
    optimiser = torch.optim.Adam([theta, *family.parameters()], lr=0.02)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = (family.grid(theta, (4, 4)) - goal).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_learnt_bases_compute_in_the_precision_of_the_points(dtype):
    for family in (st.Structured(nn.Linear(2, 3)), st.Structured(torch.ones(3, 4, 5), learnable=True)):
        cast = copy.deepcopy(family).to(dtype)
        theta = testing.random_theta(family, dtype=torch.float32)
        moved = cast.points(theta, testing.random_points(2, 1, 4, dtype=torch.float32))
        assert moved.dtype == torch.float32
        assert moved.isfinite().all()


def test_a_transformer_with_a_learnt_basis_starts_as_the_identity():
    image = testing.random_image((6, 5))
    for family in (st.Structured(nn.Linear(2, 3)), st.Structured(torch.ones(3, 4, 5), learnable=True)):
        transformer = st.SpatialTransformer(st.ConvLocaliser(3, width=2), family)
        torch.testing.assert_close(transformer(image), image, rtol=0, atol=1e-6)
        transformer(image).square().sum().backward()
        assert transformer.regression.weight.grad.abs().sum() > 0


BAD = {
    "a number": (lambda: st.Structured(3), TypeError, "`basis` must be a tensor of images, or a function"),
    "one image": (
        lambda: st.Structured(torch.zeros(4, 5)),
        ValueError,
        r"`basis` images must have shape \(F, H, W\) or \(F, D, H, W\); got \(4, 5\)",
    ),
    "whole numbers": (
        lambda: st.Structured(torch.zeros(1, 4, 5, dtype=torch.long)),
        TypeError,
        r"`basis` images must be floating-point; got torch.int64. Pass `basis.float\(\)`",
    ),
    "another dimension": (
        lambda: st.Structured(torch.zeros(1, 4, 5), dims=3),
        ValueError,
        "`dims` must be that of `basis`, 2; got 3. Leave it out",
    ),
    "a learnable function": (
        lambda: st.Structured(torch.sin, learnable=True),
        ValueError,
        "`learnable=True` goes with a tensor of basis images.*nn.Module",
    ),
    "a function of four dimensions": (lambda: st.Structured(torch.sin, dims=4), ValueError, "must be 2 or 3; got 4"),
    "a sum": (
        lambda: st.Structured(torch.sum),
        ValueError,
        r"`basis` must take points \(..., D\) to values \(..., F\), here \(1, 2, F\); got \(\)",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
