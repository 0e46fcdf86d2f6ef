"""The invariance curve: error against how far a digit is turned, scaled or moved, beyond what was trained too."""

from collections.abc import Sequence

import torch
from torch import nn

from ..tasks.classification import score
from ..tasks.stream import FROZEN_BATCH
from ..tasks.task import Batch
from .distortions import place
from .sets import Digits

# Amounts of each kind, its unit, and the argument of `place` that it is.
SWEEPS: dict[str, tuple[str, list[float]]] = {
    "rotation": ("degrees", [float(degrees) for degrees in range(-180, 181, 15)]),
    "scale": ("times", [round(0.3 + 0.1 * i, 1) for i in range(15)]),
    "translation": ("pixels", [float(pixels) for pixels in range(-24, 25, 2)]),
}

# Test digits per amount: enough for a curve, and minutes rather than hours on a laptop.
COUNT = 2000


def error_curve(network: nn.Module, digits: Digits, side: int, kind: str, amounts: Sequence[float]) -> list[float]:
    """The error of a network, in percent, at each amount.

    Args:
        network: trained.
        digits: upright.
        side: of the canvas, in pixels.
        kind: of `SWEEPS`.
        amounts: how far all digits are turned, scaled or moved.
    """
    parts = [slice(start, start + FROZEN_BATCH) for start in range(0, len(digits), FROZEN_BATCH)]
    return [
        score(
            network, [_placed(digits.as_input(part), digits.labels[part], side, kind, amount) for part in parts]
        ).error_percent
        for amount in amounts
    ]


def _placed(images: torch.Tensor, labels: torch.Tensor, side: int, kind: str, amount: float) -> Batch:
    if kind == "rotation":
        return place(images, side, degrees=amount), labels
    if kind == "scale":
        return place(images, side, scale=amount), labels
    return place(images, side, shift=(amount, 0.0)), labels
