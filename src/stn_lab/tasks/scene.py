"""What is made of a set of images: the batches that a network learns from and is tested on."""

from typing import Any, Protocol, Self

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]  # what the network sees, (N, ...), and what it is to say, (N,) or (N, ...)


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


class DigitScene(Scene, Protocol):
    """A scene for the classifiers of the paper's MNIST experiments, which says what they are to be built for."""

    @property
    def side(self) -> int:
        """Height and width of an example, in pixels."""

    @property
    def channels(self) -> int:
        """Of an example."""

    @property
    def classes(self) -> int:
        """How many there are to tell apart."""

    @property
    def pool(self) -> bool:
        """Whether a network with a transformer averages 2x2 pixels of the transformer's output."""
