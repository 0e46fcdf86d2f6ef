"""Sets of photographs in colour, all of one size, and the scene that shows them as they are."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from stn_lab.tasks.task import Batch


@dataclass(frozen=True)
class Photographs:
    """Images (N, 3, H, W), uint8, and labels (N,) or (N, places), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Photographs":
        return Photographs(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Self:
        return type(self)(self.images.to(device), self.labels.to(device))

    def as_input(self, index: slice | Tensor) -> Tensor:
        """The images at `index` as a network takes them: (n, 3, H, W), float32 in 0 ... 1."""
        return self.images[index].float() / 255


@dataclass(frozen=True)
class AsTheyAre:
    """Photographs without any change.

    Attributes:
        side: of the images, in pixels.
    """

    side: int

    def compose(self, images: Photographs, index: Tensor, generator: torch.Generator) -> Batch:
        """The photographs at `index`; nothing is drawn."""
        photographs = images.as_input(index).contiguous(memory_format=torch.channels_last)  # as convolutions read them
        return photographs, images.labels[index]


@dataclass(frozen=True)
class RandomCrops:
    """Crops at random places, every other one mirrored; photographs that are no larger than a crop are left alone.

    Attributes:
        side: of a crop, in pixels.
        classes: how many there are to tell apart.
    """

    side: int
    classes: int

    def compose(self, images: Photographs, index: Tensor, generator: torch.Generator) -> Batch:
        """A crop of each photograph at `index`."""
        room = images.images.shape[-1] - self.side
        if room == 0:
            return images.as_input(index), images.labels[index]
        count, device = len(index), generator.device
        left, top = torch.randint(room + 1, (2, count, 1), generator=generator, device=device)
        mirrored = torch.rand(count, 1, generator=generator, device=device) < 0.5
        along = torch.arange(self.side, device=device)
        column = left + torch.where(mirrored, along.flip(0), along)  # (N, side)
        row = top + along
        channel = torch.arange(3, device=device)[:, None, None]
        crops = images.images[index[:, None, None, None], channel, row[:, None, :, None], column[:, None, None, :]]
        return crops.float() / 255, images.labels[index]
