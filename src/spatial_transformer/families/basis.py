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
        return _moved(displacements, *for_grid(points, basis)).movedim(0, -1)
    return torch.baddbmm(points.mT, displacements.mT, basis).mT


def for_grid(points: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """What `move_on_grid` takes: (1, K, D) points as (D, 1, K), and a (1, C, K) basis as (D, C, K)."""
    return points.permute(2, 0, 1).contiguous(), basis.contiguous().expand(points.shape[2], -1, -1)


def move_on_grid(theta: Tensor, identity: Tensor, points: Tensor, basis: Tensor, size: tuple[int, ...]) -> Tensor:
    """`move` points that the batch shares.

    Args:
        theta: (N, C D), where control points are sent.
        identity: (C D,), where they are.
        points: (D, 1, K), as from `for_grid`.
        basis: (D, C, K), from there, too.
        size: that has K points.

    Returns:
        (N, *size, D), coordinate by coordinate in memory.
    """
    # Measured from the control points, so that the identity is exact: zero displacement, whatever the rounding.
    displacements = (theta - identity).unflatten(1, (-1, len(points)))  # (N, C, D)
    return _moved(displacements, points, basis).unflatten(2, size).movedim(0, -1)


def _moved(displacements: Tensor, points: Tensor, basis: Tensor) -> Tensor:
    """(D, N, K): the coordinates are a batch, so that memory has them one after the other."""
    return torch.baddbmm(points, displacements.permute(2, 0, 1), basis)
