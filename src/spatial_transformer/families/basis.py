"""Warps whose displacements are a sum over control points: theirs, times what depends on the point alone."""

import torch
from torch import Tensor


def move(points: Tensor, displacements: Tensor, basis: Tensor) -> Tensor:
    """Add to points what the displacements of control points amount to there.

    Args:
        points: (1 | N, D, K), coordinate by coordinate.
        displacements: (N, C, D) of C control points.
        basis: (1 | N, C, K), how far each of them moves each point.

    Returns:
        (N, D, K).
    """
    if len(basis) != 1:
        return torch.baddbmm(points, displacements.mT, basis)
    # The batch shares the basis: for each coordinate one product of matrices, added to the points in one go.
    by_coordinate = displacements.movedim(-1, 0)  # (D, N, C)
    return torch.baddbmm(points[0][:, None], by_coordinate, basis.expand(len(by_coordinate), -1, -1)).transpose(0, 1)
