"""Synthetic images whose class lies in two small parts: one lighter than the ground, one darker, each anywhere.

A stand-in for the photographs of CUB, in which species differ in a head or a belly. A part is a digit of MNIST; the
class is the pair of them. Scraps of other digits lie about, lighter and darker ones. What it lacks is all the rest of a
bird.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .digits import SIDE, Digits
from .distortions import paste, pieces, place
from .scene import Batch

FINE = 64  # pixels along each side of an image at full resolution
SHRINK = 0.75  # pixels at full resolution to one of a digit
TRIES = 16


@dataclass(frozen=True)
class SyntheticParts:
    """(N, 3, side, side) images in 0 ... 1, and the class: ten times the digit of the light part, plus the dark one's.

    Attributes:
        side: 64, or a whole part of it; the same images at a lower resolution.
        scraps: of either kind.
    """

    side: int = FINE
    scraps: int = 4
    classes: ClassVar[int] = 100

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """The digit at `index` as the light part, any other as the dark one."""
        count, device = len(index), generator.device
        other = torch.randint(len(images), index.shape, generator=generator, device=device)
        picture = 0.35 + 0.3 * _clouds(count, generator)
        for which, centre, colour in zip((index, other), _places(count, generator), (1.0, 0.0), strict=True):
            digits = images.as_input(which)
            ink = place(digits, FINE, scale=SHRINK, shift=centre)  # (N, 1, 64, 64)
            if self.scraps:
                ink = paste(ink, pieces(digits, self.scraps, 7, generator), generator)
            tint = (colour + 0.3 * (torch.rand(count, 3, 1, 1, generator=generator, device=device) - 0.5)).clamp(0, 1)
            picture = torch.lerp(picture, tint, ink)
        return F.avg_pool2d(picture, FINE // self.side), 10 * images.labels[index] + images.labels[other]


def _places(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two of (N, 2) pixels from the middle, anywhere the parts are inside and apart: the first such of several."""
    room, apart = (FINE - SHRINK * SIDE) / 2, SHRINK * SIDE
    tried = room * (2 * torch.rand(count, TRIES, 2, 2, generator=generator, device=generator.device) - 1)
    is_apart = (tried[:, :, 0] - tried[:, :, 1]).abs().amax(dim=-1) >= apart  # (N, TRIES)
    first = is_apart.int().argmax(dim=1)
    chosen = tried[torch.arange(count, device=generator.device), first]  # (N, 2, 2)
    return chosen[:, 0], chosen[:, 1]


def _clouds(count: int, generator: torch.Generator) -> Tensor:
    """(N, 3, 64, 64) in 0 ... 1, smooth."""
    coarse = torch.rand(count, 3, 5, 5, generator=generator, device=generator.device)
    return F.interpolate(coarse, size=(FINE, FINE), mode="bilinear", align_corners=False)
