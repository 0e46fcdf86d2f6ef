"""Sets of upright 28x28 digits, split into training, validation and test."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from spatial_transformer import Affine, scale_matrix, warp

from ..errors import UserError
from ..tasks.scene import Splits
from . import DataName, mnist

SIDE = 28
# MNIST draws its digits in a box of 20 pixels, so that they can be turned without leaving the image; so do we.
BOX = 20
RIM = (SIDE - BOX) // 2  # along each edge


@dataclass(frozen=True)
class Digits:
    """Images (N, 28, 28), uint8 with black = 0, and labels (N,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Digits":
        return Digits(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> "Digits":
        return Digits(self.images.to(device), self.labels.to(device))

    def as_input(self, index: slice | Tensor) -> Tensor:
        """The images at `index` as a network takes them: (n, 1, 28, 28), float32 in 0 ... 1."""
        return self.images[index, None].float() / 255


def load(name: str) -> Splits[Digits]:
    """Load a set by name.

    Args:
        name: "digits", 1,797 real digits that scikit-learn carries, offline: 1,097 to train on, 200 to choose the best
            checkpoint, 500 to test. "mnist", 55,000 / 5,000 / 10,000.

    Raises:
        UserError: the files are damaged, or neither here nor to be fetched.
    """
    if name == "digits":
        return _scikit_learn_digits()
    if name == "mnist":
        train, test = (Digits(torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in mnist.load())
        return Splits(train[:-5000], train[-5000:], test)
    raise UserError(f"unknown data {name!r}; choose one of {', '.join(get_args(DataName))}")


def _scikit_learn_digits() -> Splits[Digits]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError("the data 'digits' comes with scikit-learn: pip install 'spatial-transformer[lab]'") from None
    small = load_digits()
    images = torch.from_numpy(small.images).float()[:, None] / 16  # (1797, 1, 8, 8), 0 ... 1
    digits = Digits(_enlarge(images), torch.from_numpy(small.target).long())
    shuffled = digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))]
    return Splits(shuffled[:1097], shuffled[1097:1297], shuffled[1297:])


def _enlarge(images: Tensor) -> Tensor:
    """(N, 1, 8, 8) in 0 ... 1 to (N, 28, 28) in 0 ... 255: into a box of 20 pixels, black around it."""
    family = Affine()
    theta = family.from_matrix(scale_matrix(torch.full((1, 2), SIDE / BOX)))
    enlarged = warp(images, family, theta, (SIDE, SIDE), mode="bicubic")
    return (enlarged[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
