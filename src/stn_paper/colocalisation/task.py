"""Co-localisation of digits: what is known of their frames, and which boxes are found."""

from typing import Any

import torch
from torch import Tensor, nn

from stn_lab.colocalisation import Alike, Colocalisation, Colocaliser, overlap
from stn_lab.digits.sets import BOX, RIM, SIDE
from stn_lab.tasks.classification import Score

from .. import attention
from .data import PATCHES

BARE = 1.5  # what a white rim costs, where digits have none


class DigitColocalisation(Colocalisation):
    """Windows also pay for ink in the rim that is bare in the frame of a digit.

    Windows that all show a digit off the middle, or the same part of it, are as much alike as those that show it whole.
    """

    def __init__(self, hidden: Alike) -> None:
        super().__init__(hidden, PATCHES)

    def price(self, crops: Tensor) -> Tensor:
        return BARE * rim(crops)

    @torch.inference_mode()
    def measure(self, network: nn.Module) -> dict[str, Any]:
        """Which boxes are found."""
        assert isinstance(network, Colocaliser)
        images, boxes = self.pictures.images, self.pictures.boxes
        windows = network.theta(images, network.side)
        found = overlap(windows, boxes)  # (N,)
        missed = Score(100 * (found <= 0.5).float().mean().item(), len(images))
        return super().measure(network) | {
            "error_percent": missed.error_percent,
            "standard_error": missed.standard_error,
            "test_images": missed.test_images,
            "mean_overlap": found.mean().item(),
            "pixels_read_percent": attention.pixels_read(images, network.family, windows),
        }


def rim(crops: Tensor) -> Tensor:
    """(N,) mean brightness of the 4 pixels along each edge of (N, 1, 28, 28) crops."""
    inner = crops[..., RIM:-RIM, RIM:-RIM].sum(dim=(1, 2, 3))
    return (crops.sum(dim=(1, 2, 3)) - inner) / (SIDE**2 - BOX**2)
