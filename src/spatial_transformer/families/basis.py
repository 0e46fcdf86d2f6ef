"""Warps whose displacements are a sum over control points: theirs, times what depends on the point alone."""

import torch
from torch import Tensor


def move(points: Tensor, displacements: Tensor, basis: Tensor) -> Tensor:
    """Add to points what the displacements of control points amount to there.

    Args:
        points: (1 | N, K, D).
        displacements: (N, C, D) of C control points.
        basis: (1 | N, C, K), how far each of them moves each point.

    Returns:
        (N, K, D), coordinate by coordinate in memory.
    """
    if len(basis) == 1 and len(points) == 1:
        return move_on_grid(displacements, for_grid(points, basis)[0])
    return torch.baddbmm(points.mT, displacements.mT, basis).mT


def for_grid(points: Tensor, basis: Tensor) -> tuple[Tensor]:
    """What `move_on_grid` takes, of (1, K, D) points and a (1, C, K) basis: (C + D, K), the points below the basis."""
    return (torch.cat([basis, points.mT], dim=1)[0],)


def move_on_grid(displacements: Tensor, stacked: Tensor) -> Tensor:
    """`move` points that the batch shares: one product of matrices, which adds the points as well."""
    count, _, dims = displacements.shape
    unit = torch.eye(dims, dtype=displacements.dtype, device=displacements.device)  # a coordinate of the points each
    by_coordinate = torch.cat([displacements.movedim(-1, 0), unit[:, None].expand(-1, count, -1)], dim=2)
    return (by_coordinate.flatten(0, 1) @ stacked).unflatten(0, (dims, count)).movedim(0, -1)  # (N, K, D)
