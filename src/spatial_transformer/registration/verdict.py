"""Whether a registration succeeded, and from what that is judged."""

from dataclasses import dataclass

from torch import Tensor

from ..coordinates import target_points
from ..families import Family
from ..measures import ncc
from ..warping import warp
from .comparison import Comparison, overlap, seen
from .intensities import locally_normalised, standardised
from .pyramid import Level

LEAST_CORRELATION = 0.5
LEAST_OVERLAP = 0.15
JUDGED = 128  # pixels: the longest side of the level on which images are judged, coarse enough to average noise out


@dataclass(frozen=True)
class Verdict:
    """Whether each pair was laid on one another.

    Attributes:
        success: (N,) booleans.
        correlation: (N,) of the locally normalised images where both show something, on a level of about 128 pixels.
        overlap: (N,) the part of the fixed image that was compared.
        folded: (N,) the part of it where the warp folds.
    """

    success: Tensor
    correlation: Tensor
    overlap: Tensor
    folded: Tensor


def judge(tower: list[Level], family: Family, theta: Tensor, compare: Comparison) -> Verdict:
    level = next((level for level in reversed(tower) if max(level.fixed.shape[2:]) <= JUDGED), tower[0])
    weight = overlap(level, family, theta)
    images = []
    for image, mask in ((level.moving, level.moving_mask), (level.fixed, level.fixed_mask)):
        images.append(locally_normalised(standardised(image, mask), mask))
    warped = warp(images[0], family, theta, level.fixed.shape[2:], mode=level.mode, padding="border")
    correlation = 1 - ncc(warped, images[1], weight=weight)
    part = seen(weight)
    folds = family.folds(theta, target_points((9,) * family.dims, dtype=theta.dtype, device=theta.device))
    folded = folds.flatten(1).to(theta.dtype).mean(dim=1)
    success = (correlation > LEAST_CORRELATION) & (part > LEAST_OVERLAP) & (folded == 0)
    return Verdict(success, correlation, part, folded)
