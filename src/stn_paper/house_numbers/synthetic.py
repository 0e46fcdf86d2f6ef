"""Synthetic house numbers: one to five digits of MNIST in a row, on a coloured ground with clutter.

A stand-in for the photographs of SVHN that needs no download. Numbers differ in length, size, place, slant and colour.
What it lacks is everything that makes photographs hard: light, blur, fonts, neighbours that belong to other numbers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spatial_transformer import Affine, rotation_matrix, scale_matrix, translation_matrix, warp
from stn_lab.digits.distortions import paste, pieces
from stn_lab.digits.sets import BOX, SIDE, Digits
from stn_lab.tasks.task import Batch

PLACES = 5
NOTHING = 10  # the class of a place without a digit
LENGTHS = (0.15, 0.54, 0.25, 0.05, 0.01)  # chances of one to five digits, about those in SVHN
ADVANCE = 15  # pixels of MNIST from one digit to the next
SCRAPS, SCRAP = 4, 10  # pieces of digits around a loose number, and pixels along each side
SLANT = 0.26  # radians at most, 15 degrees


@dataclass(frozen=True)
class SyntheticHouseNumbers:
    """(N, 3, side, side) images in 0 ... 1 and (N, 5) digits, where 10 stands for none.

    Attributes:
        side: of the images, in pixels.
        loose: whether the number is a small part of the image, anywhere in it, with clutter around; else it fills it.
    """

    side: int
    loose: bool

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """A number that begins with the digit at `index`."""
        device, count = generator.device, len(index)
        chances = torch.tensor(LENGTHS, device=device).expand(count, -1)
        length = 1 + torch.multinomial(chances, 1, generator=generator)  # (N, 1)
        others = torch.randint(len(images), (count, PLACES - 1), generator=generator, device=device)
        which = torch.cat([index[:, None], others], dim=1)  # (N, 5)
        written = torch.arange(PLACES, device=device) < length  # (N, 5)
        ink = self._write(_row(images.as_input(which.flatten()), written), length, generator)  # (N, 1, side, side)
        picture = self._ground(count, generator)
        if self.loose:
            canvas = torch.zeros(count, 1, self.side, self.side, device=device)
            scraps = paste(canvas, pieces(images.as_input(index), SCRAPS, SCRAP, generator), generator)
            picture = torch.lerp(picture, _colour(count, generator), scraps)
        picture = torch.lerp(picture, _contrasting(picture, generator), ink).clamp(0, 1)  # weights of 1 are rounded
        picture = picture.contiguous(memory_format=torch.channels_last)  # as the convolutions that read it
        return picture, images.labels[which].where(written, torch.tensor(NOTHING, device=device))

    def _write(self, row: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 1, 28, 88) rows of digits to (N, 1, side, side): to their size, slanted, and to their place."""
        chance = torch.rand(len(row), 4, generator=generator, device=generator.device)
        share = 0.35 + 0.2 * chance[:, :1] if self.loose else 0.7 + 0.15 * chance[:, :1]  # (N, 1) of the image's width
        slant = SLANT * (2 * chance[:, 1] - 1)
        free = 0.9 * (1 - share) if self.loose else 0.2 * (1 - share)
        centre = free * (2 * chance[:, 2:] - 1)  # (N, 2)
        height, width = row.shape[2:]
        shrink = (ADVANCE * (length - 1) + BOX) / share  # (N, 1): pixels of the row to the width of the image
        middle = (ADVANCE * (length - 1) + SIDE) / width - 1  # (N, 1): of what is written, normalised
        # canvas point -> point of the row: undo the place, then the slant, then the size; go to what is written.
        matrix = (
            translation_matrix(torch.cat([middle, torch.zeros_like(middle)], dim=1))
            @ scale_matrix(torch.cat([shrink / width, shrink / height], dim=1))
            @ rotation_matrix(-slant)
            @ translation_matrix(-centre)
        )
        family = Affine()
        return warp(row, family, family.from_matrix(matrix), (self.side, self.side))

    def _ground(self, count: int, generator: torch.Generator) -> Tensor:
        """(N, 3, side, side) from one colour on the left to another on the right, with a little noise."""
        blend = torch.linspace(0, 1, self.side, device=generator.device)
        ground = torch.lerp(_colour(count, generator), _colour(count, generator), blend)  # (N, 3, 1, side)
        noise = torch.randn(count, 1, self.side, self.side, generator=generator, device=generator.device)
        return (ground + 0.03 * noise).clamp(0, 1)


def _row(digits: Tensor, written: Tensor) -> Tensor:
    """(5 N, 1, 28, 28) digits to (N, 1, 28, 88): those that are written, side by side from the left."""
    count = len(written)
    digits = digits.unflatten(0, (count, PLACES)) * written[:, :, None, None, None]  # (N, 5, 1, 28, 28)
    row = digits.new_zeros(count, 1, SIDE, SIDE + (PLACES - 1) * ADVANCE)
    for place in range(PLACES):
        part = row[..., place * ADVANCE : place * ADVANCE + SIDE]
        torch.maximum(part, digits[:, place], out=part)
    return row


def _contrasting(picture: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 3, 1, 1) colours that are lighter than a dark picture, and darker than a light one."""
    mean = picture.mean(dim=(1, 2, 3), keepdim=True)
    grey = torch.where(mean < 0.5, 0.75 + 0.5 * mean, 0.5 * mean - 0.25)
    return (grey + 0.25 * (_colour(len(picture), generator) - 0.5)).clamp(0, 1)


def _colour(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 3, 1, 1, generator=generator, device=generator.device)
