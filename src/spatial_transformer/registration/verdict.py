"""Whether a registration succeeded, and from what that is judged."""

import math
from dataclasses import dataclass

from torch import Tensor

from ..families import Family, MatrixFamily
from ..measures import ncc
from ..warping import warp
from .comparison import Comparison, overlap, seen
from .intensities import locally_normalised, standardised
from .pyramid import Level
from .smoothness import determinants

LEAST_CORRELATION = 0.5
LEAST_OVERLAP = 0.15
ROUNDING = 1e-6
LATTICE = 17  # points along each axis, where a matrix is looked at
# Pixels: the longest side of the level on which images and volumes are judged, coarse enough to average noise out.
JUDGED = {2: 128, 3: 48}


@dataclass(frozen=True)
class Verdict:
    """Whether each pair was laid on one another.

    Attributes:
        success: (N,) booleans.
        correlation: (N,) of the locally normalised images where both show something, on a level of about 128 pixels.
        overlap: (N,) the part of the fixed image that was compared.
        folded: (N,) the part of it where the warp folds.
        folds: (N,) between how many of its pixels that is.
    """

    success: Tensor
    correlation: Tensor
    overlap: Tensor
    folded: Tensor
    folds: Tensor


def judge(tower: list[Level], family: Family, theta: Tensor, points: Tensor, compare: Comparison) -> Verdict:
    """Of (N, P) thetas and what they make of the pixels of the fixed image, (N, *size, D)."""
    level = next((level for level in reversed(tower) if max(level.fixed.shape[2:]) <= JUDGED[family.dims]), tower[0])
    weight = overlap(level, family, theta)
    images = []
    for image, mask in ((level.moving, level.moving_mask), (level.fixed, level.fixed_mask)):
        images.append(locally_normalised(standardised(image, mask), mask))
    warped = warp(images[0], family, theta, level.fixed.shape[2:], mode=level.mode, padding="border")
    correlation = 1 - ncc(warped, images[1], weight=weight)
    part = seen(weight)
    folded = _folds(family, theta, points)
    success = (correlation > LEAST_CORRELATION) & (part > LEAST_OVERLAP) & (folded == 0)
    cells = math.prod(max(1, length - 1) for length in points.shape[1:-1])
    folds = (folded * cells - ROUNDING).ceil().long()
    return Verdict(success, correlation, part, folded.to(theta.dtype), folds)


def _folds(family: Family, theta: Tensor, points: Tensor) -> Tensor:
    """(N,) where a warp folds, as a part of the image: between pixels, or, of a matrix, on a lattice."""
    if isinstance(family, MatrixFamily):
        points = family.grid(theta, (LATTICE,) * family.dims)
    identity = family.identity(1, dtype=points.dtype, device=points.device)
    side = determinants(family.grid(identity, (2,) * family.dims)).sign()  # a family may begin as a mirror image
    folds = ~(determinants(points) * side > 0)  # also where there is none, beyond a horizon
    return folds.flatten(1).double().mean(dim=1)
