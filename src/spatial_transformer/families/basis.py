"""Warps whose displacements are a sum over control points: theirs, times what depends on the point alone."""

import torch
from torch import Tensor

# Entries of a basis up to which it is spread out, so that a product with it leaves x and y next to each other.
LARGEST_SPREAD = 2**19


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
    """What `move_grid` takes, of (1, K, D) points and a (1, C, K) basis: spread out to (C D, K D), or as they are."""
    dims = points.shape[-1]
    if basis.numel() * dims**2 > LARGEST_SPREAD:
        return points.mT.contiguous().mT, basis.contiguous()
    spread = basis[0][:, None, :, None] * torch.eye(dims).to(basis)[:, None]  # (C, D, K, D)
    return points, spread.flatten(2).flatten(0, 1)


def move_grid(points: Tensor, displacements: Tensor, basis: Tensor) -> Tensor:
    """`move` for what `for_grid` returns: (N, K, D)."""
    if basis.ndim == 3:
        return move(points, displacements, basis)
    return torch.addmm(points.flatten(1), displacements.flatten(1), basis).unflatten(1, points.shape[1:])
