"""Reading a lattice between its entries."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from spatial_transformer import testing
from spatial_transformer.families import lattice

ATOL = testing.TOLERANCES[torch.float64]
shapes = pytest.mark.parametrize("shape", [(4, 5), (2, 2), (1, 3), (3, 1, 4)], ids=str)


def field_and_positions(shape, spread=1.5):
    field = testing.random_image(shape, batch=2, dtype=torch.float64)
    half = torch.tensor([length / 2 for length in reversed(shape)], dtype=torch.float64)
    return field, testing.random_points(len(shape), 2, 40, spread=spread) * half + half


@shapes
def test_spline_reading_is_the_sum_over_control_points(shape):
    field, position = field_and_positions(shape)
    bump = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)  # the uniform cubic B-spline about 0
    padded = np.pad(field.numpy(), [(0, 0), (0, 0)] + [(6, 6)] * len(shape), mode="edge")
    weights = [
        np.nan_to_num(bump(position[..., d].numpy()[..., None] - np.arange(-6, length + 6)))  # (2, 40, length + 12)
        for d, length in enumerate(reversed(shape))
    ]
    sum_over = "ncyx,nkx,nky->nck" if len(shape) == 2 else "nczyx,nkx,nky,nkz->nck"
    expected = np.einsum(sum_over, padded, *weights)
    actual = lattice.interpolate(field, position)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)


def test_outside_the_border_goes_on():
    field, _ = field_and_positions((4, 5))
    position = torch.tensor([[[-2.0, 1.5], [-50.0, 1.5], [-torch.inf, 1.5], [6.0, 1.5], [torch.inf, 1.5]]])
    read = lattice.interpolate(field, position.double())
    for here, there in ((0, 1), (0, 2), (3, 4)):
        torch.testing.assert_close(read[..., here], read[..., there], rtol=0, atol=ATOL)
    for nowhere in ([torch.nan, torch.nan], [torch.nan, 1.0], [1.0, torch.nan]):
        assert lattice.interpolate(field, torch.tensor([[nowhere]]).double()).isnan().all()


@shapes
def test_the_filtered_spline_passes_through_the_values(shape):
    values, _ = field_and_positions(shape)
    filters = [lattice.spline_filter(length) for length in shape]
    nodes = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in shape)).flip(-1)  # x first
    read = lattice.interpolate(lattice.along_axes(values, filters), nodes[None])
    torch.testing.assert_close(read, values.flatten(2), rtol=0, atol=ATOL)


def test_lattice_points_lie_on_the_whole_positions():
    points = lattice.lattice_points((2, 3, 4), reach=1.5)
    position = lattice.lattice_position(points, (2, 3, 4), reach=1.5)
    expected = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).flip(-1).double()
    torch.testing.assert_close(position, expected, rtol=0, atol=ATOL)
