"""What can be done with a family: one row of the table in the documentation for each, and these are its columns."""

import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing

# One of each kind in 2D and 3D, as small as they come.
ROWS = [
    *(kind(dims=dims) for kind in (st.Translation, st.Attention, st.Rigid) for dims in (2, 3)),
    *(kind(dims=dims) for kind in (st.Similarity, st.Affine, st.Projective) for dims in (2, 3)),
    *(kind(control=(2,) * dims) for kind in (st.PiecewiseAffine, st.ThinPlateSpline, st.BSpline) for dims in (2, 3)),
    *(st.Velocity((2,) * dims, steps=1, resolution=(3,) * dims) for dims in (2, 3)),
    *(st.Displacement(size=(2,) * dims) for dims in (2, 3)),
    *(st.Structured(testing.random_image((2,) * dims, batch=1, channels=dims)[0]) for dims in (2, 3)),
    *(st.Structured(torch.sin, dims=dims) for dims in (2, 3)),
    st.Structured(testing.random_image((2, 2), batch=1, channels=2)[0], learnable=True),
    st.Structured(nn.Linear(2, 2)),
]
SIZES = {2: (2, 3), 3: (2, 1, 2)}
rows = pytest.mark.parametrize("family", ROWS, ids=str)
# PyTorch's own forward mode, compiler and exporter call what PyTorch has declared deprecated.
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def close(actual, expected):
    tolerance = testing.TOLERANCES[expected.dtype]
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def grid_of(family):
    size = SIZES[family.dims]
    return lambda theta: family.grid(theta, size)


@rows
def test_identity(family):
    theta = family.identity(2)
    assert torch.equal(
        family.grid(theta, SIZES[family.dims]), st.target_points(SIZES[family.dims]).repeat_interleave(2, 0)
    )


@rows
def test_gradcheck(family):
    theta = testing.random_theta(family, batch=1).requires_grad_()
    points = testing.random_points(family.dims, 1, 2).requires_grad_()
    assert torch.autograd.gradcheck(family.points, (theta, points))


@rows
def test_gradgradcheck(family):
    theta = testing.random_theta(family, batch=1).requires_grad_()
    points = testing.random_points(family.dims, 1, 2).requires_grad_()
    assert torch.autograd.gradgradcheck(family.points, (theta, points))


@quiet
@rows
def test_forward_mode(family):
    theta, direction = testing.random_theta(family), testing.random_theta(family, spread=1, seed=1)
    grid, change = torch.func.jvp(grid_of(family), (theta,), (direction,))
    ahead, behind = (grid_of(family)(theta + step * direction) for step in (1e-6, -1e-6))
    close(grid, grid_of(family)(theta))
    torch.testing.assert_close(change, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


@rows
def test_vmap(family):
    thetas = torch.stack([testing.random_theta(family, seed=seed) for seed in range(3)])  # (3, 2, P)
    expected = torch.stack([grid_of(family)(theta) for theta in thetas])
    close(torch.func.vmap(grid_of(family))(thetas), expected)


@quiet
@rows
def test_compile(family):
    torch.compiler.reset()
    compiled = torch.compile(grid_of(family), fullgraph=True, backend="eager")
    theta = testing.random_theta(family)
    close(compiled(theta), grid_of(family)(theta))


class Grid(nn.Module):
    def __init__(self, family):
        super().__init__()
        self.family = family

    def forward(self, theta):
        return self.family.grid(theta, SIZES[self.family.dims])


@quiet
@rows
def test_export(family):
    theta = testing.random_theta(family, batch=3, dtype=torch.float32)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(Grid(family), (theta,), dynamic_shapes={"theta": {0: batch}})
    other = testing.random_theta(family, batch=5, dtype=torch.float32, seed=1)
    close(exported.module()(other), grid_of(family)(other))
