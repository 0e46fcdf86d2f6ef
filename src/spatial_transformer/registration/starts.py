"""Several thetas to begin with, spread over translation, rotation and scale."""

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import Family
from ..landmarks import fit_points
from ..matrices import rotation_matrix

# How far the spread reaches: half-widths of the image, radians, and the logarithm of the scale.
SHIFT, TURN, SCALE = 0.45, 0.5, 0.3


def spread(family: Family, start: Tensor, count: int) -> Tensor:
    """`count` thetas for each pair: first `start`, then others around it.

    Of every four in images, eight in volumes, each is the mirror image of the others, so that a pair of images and
    their mirror images are found alike.

    Args:
        family: of matrices.
        start: (N, P).
        count: K.

    Returns:
        (N, K, P).
    """
    pairs, dims = len(start), family.dims
    if count == 1 or not pairs:
        return start[:, None]
    at = target_points((3,) * dims, dtype=torch.float64, device=start.device).flatten(1, -2)  # (1, L, D)
    change = _similarities(dims, count - 1).to(at)  # (K-1, D, D+1)
    moved = at @ change[..., :dims].mT + change[:, None, :, dims]  # (K-1, L, D)
    every = start.double().repeat_interleave(count - 1, dim=0)  # (N (K-1), P)
    source = family.points(every, moved.repeat(pairs, 1, 1))
    around = fit_points(family, at.expand(len(every), -1, -1), source).unflatten(0, (pairs, count - 1))
    return torch.cat([start[:, None], around.to(start)], dim=1)


def _similarities(dims: int, count: int) -> Tensor:
    """(count, D, D+1) shifts, turns and scales, in groups of mirror images; the first groups shift alone."""
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * dims)  # (2^D, D)
    groups = -(-count // len(signs))
    turns = 1 if dims == 2 else 3
    # Fractions of square roots of primes fill a cube evenly.
    primes = torch.tensor([2, 3, 5, 7, 11, 13, 17], dtype=torch.float64)[: dims + turns + 1]
    number = torch.arange(1, groups + 1, dtype=torch.float64)[:, None]
    unit = (number * primes.sqrt()).remainder(1)  # (G, D + turns + 1)
    shift = SHIFT * unit[:, None, :dims] * signs  # (G, 2^D, D)
    # Turning is of a plane: it changes its sign with each of the plane's axes that is mirrored.
    handed = signs.prod(dim=1, keepdim=True) * (1 if dims == 2 else signs)
    turn = TURN * (2 * unit[:, None, dims : dims + turns] - 1) * handed
    scale = (SCALE * (2 * unit[:, None, -1:] - 1)).exp().expand(-1, len(signs), 1)
    shift, turn, scale = (value.flatten(0, 1)[:count] for value in (shift, turn, scale))
    linear = rotation_matrix(turn[:, 0] if dims == 2 else turn)[:, :dims, :dims] * scale[..., None]
    return torch.cat([linear, shift[..., None]], dim=2)
