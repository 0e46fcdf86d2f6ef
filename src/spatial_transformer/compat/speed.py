"""Where this library's kernels are faster than the originals. The one place that says so.

A call costs more here than there before it does anything, and less for each value. The thresholds are sizes from which
on every pass was faster, forward and with one gradient or both, on one thread of an AMD EPYC with AVX2; below them the
original is called. `tools/drop_in.py` measures what comes of it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import backends
from ..ops.resample import plain
from ..ops.resample.layout import has_channels_last

CPU = torch.device("cpu")
DTYPES = (torch.float32, torch.float64)

BILINEAR, NEAREST, BICUBIC = range(3)  # as PyTorch numbers them
ZEROS, BORDER, REFLECTION = range(3)

# By dimensions and mode: values that are sampled, of all channels; for "nearest", which only copies, points. PyTorch's
# own nearest pixels of images are as fast.
FEWEST_VALUES = {(2, BILINEAR): 400_000, (2, BICUBIC): 250_000, (3, BILINEAR): 32_000, (3, NEAREST): 32_000}
FEWEST_POINTS_OF_A_GRID = 12_000
FEWEST_VALUES_OF_KORNIA = 400_000


def is_ours(*tensors: Tensor) -> bool:
    """Whether a call may run on this library's kernels at all.

    It may not on other devices, in other precisions, and where something looks on: a compiler, an exporter, vmap,
    forward mode, autocast, a user's modes, tensors that pretend.
    """
    return (
        plain.are_plain(*tensors)
        and all(tensor.dtype == tensors[0].dtype for tensor in tensors)
        and tensors[0].dtype in DTYPES
        and not torch.is_autocast_enabled("cpu")
        and backends.current(CPU) == "cpu"
    )


def samples_faster(input: Tensor, grid: Tensor, mode: int, padding: int, align_corners: bool) -> bool:
    """Whether `operators.grid_sampler` is to do a call; what does not fit together is left to PyTorch to refuse."""
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim or len(grid) != len(input) or grid.shape[-1] != dims:
        return False
    points = grid.numel() // dims
    values = points if mode == NEAREST else points * input.shape[1]
    return (
        values >= FEWEST_VALUES.get((dims, mode), math.inf)
        and 0 not in input.shape
        and padding in (ZEROS, BORDER)
        and isinstance(align_corners, bool)
        and not (dims == 2 and has_channels_last(input))  # PyTorch reads them as fast, and returns planes
        and is_ours(input, grid)
        and (dims == 3 or _has_positions(grid))
    )


def _has_positions(grid: Tensor) -> bool:
    """Whether all points of images are finite; of others PyTorch makes values that are none, and we what is outside."""
    return bool(grid.detach().sum().isfinite())


def generates_faster(theta: Tensor, size: Sequence[int], align_corners: bool) -> bool:
    """Whether `operators.affine_grid_generator` is to do a call."""
    dims = len(size) - 2
    return (
        isinstance(align_corners, bool)
        and dims in (2, 3)
        and min(size) > 0
        and tuple(theta.shape) == (size[0], dims, dims + 1)
        and size[0] * math.prod(size[2:]) >= FEWEST_POINTS_OF_A_GRID
        and is_ours(theta)
        and bool(theta.detach().sum().isfinite())  # zero times infinity is no number, in other places than PyTorch's
    )


def warps_faster(
    src: Tensor, matrix: Tensor, entries: tuple[int, int], dsize: Sequence[int], mode: str, padding_mode: str
) -> bool:
    """Whether `compat.kornia` is to do a call by itself.

    The gradient of a matrix depends on how positions near pixels are rounded, so Kornia's own code makes these.
    """
    return (
        isinstance(src, Tensor)
        and isinstance(matrix, Tensor)
        and src.ndim == 4
        and tuple(matrix.shape) in {(len(src), *entries), (1, *entries)}
        and mode in ("bilinear", "bicubic")
        and padding_mode in ("zeros", "border")
        and len(dsize) == 2
        and min(*dsize, *src.shape) > 0
        and src.shape[0] * src.shape[1] * math.prod(dsize) >= FEWEST_VALUES_OF_KORNIA
        and not matrix.requires_grad
        and is_ours(src, matrix)
    )
