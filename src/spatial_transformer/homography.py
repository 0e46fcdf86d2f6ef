"""Points through matrices: linear and projective maps, and the sampling grids they make."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .coordinates import FAR_OUTSIDE, target_points

# A point whose last homogeneous coordinate is at or below this is on or behind the horizon.
HORIZON = 1e-6


def transform(matrix: Tensor, points: Tensor) -> Tensor:
    """Map points by matrices.

    Args:
        matrix: (M, D, D+1), or (M, D+1, D+1) for a projective map.
        points: (1 | M, K, D).

    Returns:
        (M, K, D); far outside what lies on or behind the horizon.
    """
    dims = points.shape[-1]
    # Planes (M, D, K) instead of rows (M, K, D): long contiguous lines, which the sampler takes apart for free.
    planes = points.mT  # (1 | M, D, K)
    mapped = matrix[..., -1:]
    for d in range(dims):
        mapped = torch.addcmul(mapped, matrix[:, :, d, None], planes[:, d, None])
    if matrix.shape[1] == dims:
        return mapped.mT
    weight = mapped[:, -1:]  # (M, 1, K)
    behind = weight <= HORIZON  # false for NaN, which stays NaN
    # Divide by 1 behind the horizon: a division by zero there would turn every gradient into NaN.
    source = mapped[:, :-1] / torch.where(behind, 1, weight)
    return torch.where(behind, FAR_OUTSIDE, source).mT  # (M, K, D)


def grid(matrix: Tensor, target: Sequence[int]) -> Tensor:
    """(M, D | D+1, D+1) matrices to the (M, K, D) source points of an output of size `target`."""
    points = target_points(target, dtype=matrix.dtype, device=matrix.device)
    return transform(matrix, points.flatten(1, -2))
