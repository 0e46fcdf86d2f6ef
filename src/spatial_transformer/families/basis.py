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
    planes = points.mT  # (1 | N, D, K)
    if len(basis) != 1:
        return torch.baddbmm(planes, displacements.mT, basis).mT
    # The batch shares the basis: for each coordinate one product of matrices, added to the points in one go.
    by_coordinate = displacements.movedim(-1, 0)  # (D, N, C)
    moved = torch.baddbmm(planes[0][:, None], by_coordinate, basis.expand(len(by_coordinate), -1, -1))  # (D, N, K)
    return moved.movedim(0, -1)


def for_grid(points: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """What to keep of (1, K, D) points and a (1, C, K) basis, to be given to `move` again and again."""
    return points.mT.contiguous().mT, basis.contiguous()
