"""What PyTorch's `grid_sample` and `affine_grid` end in: operators with numbers for names, and no checks.

`torch.nn.functional` checks arguments, warns, and calls `torch.grid_sampler` and `torch.affine_grid_generator`. The two
here take their place.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ..kernels import Cubic, Linear, Nearest
from ..ops.resample import operators
from ..ops.resample.how import TORCH_CENTRES, TORCH_EDGES, How, how_to_read
from ..ops.resample.layout import readable
from . import speed

# PyTorch's own, also while others are in their place.
_grid_sampler, _affine_grid_generator = torch.grid_sampler, torch.affine_grid_generator

KERNELS = (Linear(), Nearest(), Cubic())  # in the order of PyTorch's numbers
PADDINGS = ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`torch.grid_sampler`: equal in value and in gradients, to the cell that a sample at the edge of two belongs to.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, H', W', 2) or (N, D', H', W', 3), x first.
        interpolation_mode: index in `KERNELS`.
        padding_mode: index in `PADDINGS`.
        align_corners: whether -1 and +1 are the centres of the border pixels, or their outer edges.

    Returns:
        (N, C, H', W') or (N, C, D', H', W').
    """
    if not speed.samples_faster(input, grid, interpolation_mode, padding_mode, align_corners):
        return _grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
    how = _how(input.ndim - 2, interpolation_mode, padding_mode, align_corners)
    samples = operators.pull(input, readable(grid.flatten(1, -2)), how)  # (N, C, K)
    return samples.unflatten(2, grid.shape[1:-1]).contiguous()


@functools.cache
def _how(dims: int, mode: int, padding: int, align_corners: bool) -> How:
    how = how_to_read(KERNELS[mode], (PADDINGS[padding],) * dims, (0,) * dims)
    assert how is not None
    return how._replace(convention=TORCH_CENTRES if align_corners else TORCH_EDGES)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """`torch.affine_grid_generator`: a row of the grid is a product with the identity, repeated, plus the first row.

    PyTorch multiplies each point by the matrix, three numbers by two.

    Args:
        theta: (N, D, D+1), target to source.
        size: (N, C, H, W) or (N, C, D, H, W) of the output.
        align_corners: whether -1 and +1 are the centres of the border pixels, or their outer edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3), x first.
    """
    if not speed.generates_faster(theta, size, align_corners):
        return _affine_grid_generator(theta, size, align_corners)
    x, others, repeated = _target(tuple(size[2:]), align_corners, theta.dtype)
    columns = theta.mT  # (N, D+1, D)
    along = (columns[:, :1] * x[:, None]).flatten(1)[:, None]  # (N, 1, W D): what x adds to each point of a row
    begins = torch.matmul(others, columns[:, 1:])  # (N, rows, D): what is the same all along a row
    grid = torch.baddbmm(along, begins, repeated.expand(len(theta), -1, -1))  # (N, rows, W D)
    return grid.view(len(theta), *size[2:], len(size) - 2)


@functools.lru_cache(maxsize=64)
def _target(size: tuple[int, ...], align_corners: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Of a target: (W,) its x, (rows, D) the y (, z) and 1 of each row, and (D, W D) the identity, W times."""
    with torch.inference_mode(False), torch.device("cpu"):
        x, *others = (_coordinates(length, align_corners, dtype) for length in size[::-1])
        across = torch.meshgrid(*others[::-1], indexing="ij")[::-1]
        rows = [axis.flatten() for axis in across]
        return (
            x,
            torch.stack([*rows, torch.ones_like(rows[0])], dim=1),
            torch.eye(len(size), dtype=dtype).repeat(1, size[-1]),
        )


def _coordinates(length: int, align_corners: bool, dtype: torch.dtype) -> Tensor:
    """(length,) as PyTorch computes them: pixels' centres then come out as it has them, to the last bit."""
    if length == 1:
        return torch.zeros(1, dtype=dtype)
    ends = torch.linspace(-1, 1, length, dtype=dtype)
    return ends if align_corners else ends * (length - 1) / length
