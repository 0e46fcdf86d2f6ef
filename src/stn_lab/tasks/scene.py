"""What is made of a set of images: the batches that a network learns from and is tested on."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from .task import Batch


class Images(Protocol):
    """A set to draw from, such as `Digits`."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Self: ...


class Scene(Protocol):
    """A law by which batches are made, such as one of the paper's distortions.

    It draws with the generator alone, on its device, so that a batch can be made again.
    """

    def compose(self, images: Any, index: Tensor, generator: torch.Generator) -> Batch:
        """One example around each of the images at `index`.

        Args:
            images: the set, `Images` of the kind that the scene is made for.
            index: (N,) which of them; a scene that needs more than one image for an example draws the others.
            generator: on the device of the images.
        """


Set = TypeVar("Set", bound=Images)


@dataclass(frozen=True)
class Splits(Generic[Set]):
    """A set to learn from, one to choose the best checkpoint with, one to be measured on."""

    train: Set
    validation: Set
    test: Set
