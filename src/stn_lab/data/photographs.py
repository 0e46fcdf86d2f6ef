"""Sets of photographs in colour, all of one size, and the scene that shows them as they are."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .scene import Batch


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
        return images.as_input(index), images.labels[index]
