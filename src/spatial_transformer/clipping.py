"""The part of a footprint that meets the image: the rest is padding, which need not be read to be known."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .coordinates import axis_lengths
from .footprint import side_lengths

# Pixels around the image to which kernels still reach.
MARGIN = 8


@torch.no_grad()
def clip(points: Tensor, covered: Tensor, source_size: Sequence[int], *, constant: bool) -> tuple[Tensor, Tensor]:
    """Where to average, along the sides of each footprint: the middle, from -1/2 to 1/2, and the part, up to 1.

    Footprints with no side longer than the image stay whole. Where a constant surrounds the image, longer ones are cut
    to the box around what meets the image, and those that meet none of it are a point, with parts of zero. Where the
    padding continues the image, longer sides are cut to the length of the image, around their middle.

    Args:
        points: (M, ..., D) centres, normalised.
        covered: (M, ..., D, D) footprints, a side in each column.
        source_size: (H, W) or (D, H, W) of the image.
        constant: whether a constant surrounds the image.

    Returns:
        (M, ..., D) middles and parts.
    """
    lengths = side_lengths(covered, source_size)  # (M, ..., D)
    longest = axis_lengths(source_size, covered).amax(dim=0)
    if not constant:
        return torch.zeros_like(lengths), (longest / lengths).clamp(max=1).nan_to_num(1)
    low, high = _meeting(points.double(), covered.double(), source_size)
    missed = (low > high).any(dim=-1, keepdim=True)
    cut = (lengths > longest + 1e-3).any(dim=-1, keepdim=True) & lengths.isfinite().all(dim=-1, keepdim=True) & ~missed
    middle = torch.where(cut, (low + high) / 2, 0)
    part = torch.where(cut, high - low, torch.where(missed, 0, 1))
    return middle.to(points.dtype), part.to(points.dtype)


def _meeting(points: Tensor, covered: Tensor, source_size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The ends, (..., D) each, of a box of steps s in which `points + covered @ s` may meet the image."""
    box = 1 + 2 * MARGIN / axis_lengths(source_size, points)  # (D,) half of the image and its margin, x first
    low, high = torch.full_like(points, -0.5), torch.full_like(points, 0.5)
    # Solved for s: the image's box seen from the footprint is a parallelogram, and this the box around that.
    inverse = _inverse(covered)
    centre, radius = -(inverse @ points[..., None])[..., 0], inverse.abs() @ box
    low, high = _narrowed(low, high, (centre - radius)[..., None, :], (centre + radius)[..., None, :])
    for _ in range(2):  # coordinate by coordinate: what the other steps leave for each
        ends = torch.stack([covered * low[..., None, :], covered * high[..., None, :]])
        least, most = ends.amin(dim=0), ends.amax(dim=0)  # (..., D, D)
        others_least, others_most = least.sum(-1, keepdim=True) - least, most.sum(-1, keepdim=True) - most
        first = ((-box - points)[..., None] - others_most) / covered
        last = ((box - points)[..., None] - others_least) / covered
        low, high = _narrowed(low, high, torch.minimum(first, last), torch.maximum(first, last))
    return low, high


def _inverse(matrix: Tensor) -> Tensor:
    """Of (..., D, D), by cofactors, which every exporter knows; infinite or NaN where there is none."""
    if matrix.shape[-1] == 2:
        (a, b), (c, d) = (row.unbind(dim=-1) for row in matrix.unbind(dim=-2))  # (...)
        cofactors = torch.stack([d, -b, -c, a], dim=-1).unflatten(-1, (2, 2))
        return cofactors / (a * d - b * c)[..., None, None]
    x, y, z = matrix.unbind(dim=-2)  # (..., 3)
    cofactors = torch.stack([torch.linalg.cross(*pair) for pair in ((y, z), (z, x), (x, y))], dim=-1)
    return cofactors / (x * cofactors[..., 0]).sum(dim=-1)[..., None, None]


def _narrowed(low: Tensor, high: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """(..., D) intervals cut by (..., any, D) others; NaN, from a side of length zero, cuts nothing."""
    infinity = float("inf")
    first = torch.where(first.isnan(), -infinity, first).amax(dim=-2)
    last = torch.where(last.isnan(), infinity, last).amin(dim=-2)
    return torch.maximum(low, first), torch.minimum(high, last)
