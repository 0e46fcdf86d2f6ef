"""Synthetic images whose class lies in two small parts: a light one on the left, a dark one on the right.

A stand-in for the photographs of CUB, in which species differ in a head or a belly. A part is a digit of MNIST; the
class is the pair of them. Each is anywhere in its half of the image, as if all birds looked left. Scraps of other
digits lie about, lighter and darker ones. What it lacks is all the rest of a bird.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_lab.digits.distortions import paste, pieces, place
from stn_lab.digits.sets import SIDE, Digits
from stn_lab.tasks.task import Batch

FINE = 64  # pixels along each side of an image at full resolution
SHRINK = 0.3  # pixels at full resolution to one of a digit
LIGHT, DARK = 1.0, 0.0
SCRAP = 3  # pixels along each side
SCRAPS = 2  # of either kind


@dataclass(frozen=True)
class SyntheticParts:
    """(N, 3, side, side) images in 0 ... 1, and the class: ten times the digit of the light part, plus the dark one's.

    Attributes:
        side: 64, or a whole part of it; the same images at a lower resolution.
        scraps: of either kind.
    """

    side: int = FINE
    scraps: int = SCRAPS
    classes: ClassVar[int] = 100

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """The digit at `index` as the light part, any other as the dark one."""
        count, device = len(index), generator.device
        other = torch.randint(len(images), index.shape, generator=generator, device=device)
        picture = _ground(count, FINE, generator)
        for which, centre, tone in zip((index, other), _places(count, generator), (LIGHT, DARK), strict=True):
            ink = _small(images.as_input(which), FINE, SHRINK, centre)  # (N, 1, 64, 64)
            if self.scraps:
                ink = paste(ink, pieces(images.as_input(which), self.scraps, SCRAP, generator), generator)
            picture = torch.lerp(picture, _tints(torch.full((count,), tone, device=device), generator), ink)
        return F.avg_pool2d(picture, FINE // self.side), 10 * images.labels[index] + images.labels[other]


@dataclass(frozen=True)
class SinglePart:
    """(N, 3, 32, 32) images of a single part, and which of 20 it is: the digit, and ten more if it is dark.

    What backbones learn beforehand, as those of the paper learn ImageNet. Parts are as large as in `SyntheticParts` at
    either resolution, and a little beyond.
    """

    side: ClassVar[int] = FINE // 2
    classes: ClassVar[int] = 20

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """The digits at `index`, light or dark, anywhere, with a scrap of either kind."""
        count, device = len(index), generator.device
        chance = torch.rand(count, 4, generator=generator, device=device)
        scale = SHRINK * (0.5 + 0.7 * chance[:, 0])  # (N,)
        shift = (self.side - scale[:, None] * SIDE) / 2 * (2 * chance[:, 1:3] - 1)  # (N, 2)
        ink = _small(images.as_input(index), self.side, scale, shift)
        is_dark = chance[:, 3] < 0.5
        picture = _ground(count, self.side, generator)
        for tone, of_it in ((LIGHT, ~is_dark), (DARK, is_dark)):
            part = ink * of_it[:, None, None, None]
            scraps = pieces(images.as_input(index), SCRAPS // 2, SCRAP, generator)
            tint = _tints(torch.full((count,), tone, device=device), generator)
            picture = torch.lerp(picture, tint, paste(part, scraps, generator))
        return picture, images.labels[index] + 10 * is_dark


def _places(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two of (N, 2) pixels from the middle: anywhere in the left half, and anywhere in the right half."""
    part = SHRINK * SIDE
    centre = torch.tensor([FINE / 4, 0.0], device=generator.device)  # of the right half, x first
    room = torch.tensor([FINE / 4 - part / 2, FINE / 2 - part / 2], device=generator.device)
    left, right = room * (2 * torch.rand(2, count, 2, generator=generator, device=generator.device) - 1)
    return left - centre, right + centre


def _small(digits: Tensor, side: int, scale: Tensor | float, shift: Tensor) -> Tensor:
    """As `place`; drawn twice as large and averaged, as strokes would fall between the pixels."""
    return F.avg_pool2d(place(digits, 2 * side, scale=2 * scale, shift=2 * shift), 2)


def _ground(count: int, side: int, generator: torch.Generator) -> Tensor:
    """(N, 3, side, side) of middling colours that change slowly."""
    coarse = torch.rand(count, 3, 5, 5, generator=generator, device=generator.device)
    return 0.35 + 0.3 * F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)


def _tints(tone: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 3, 1, 1) colours around (N,) tones."""
    tint = 0.3 * (torch.rand(len(tone), 3, 1, 1, generator=generator, device=generator.device) - 0.5)
    return (tone.to(tint)[:, None, None, None] + tint).clamp(0, 1)
