"""How a window is learnt that shows the same thing in all images of a set, without a label or a box."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatial_transformer import warp
from stn_lab import regions
from stn_lab.digits.sets import BOX, RIM, SIDE
from stn_lab.models.build import count_localising_parameters, count_parameters
from stn_lab.tasks.classification import Score
from stn_lab.tasks.scene import Splits
from stn_lab.tasks.scene_task import Scenes
from stn_lab.tasks.task import Batch

from .. import attention
from .data import FRAME, Hidden, Patches
from .network import Colocaliser

MARGIN = 1.0  # the paper's
STAY = 3.0  # to look at nothing, twice, is alike as well: what a half-width beyond the image costs
BARE = 1.5  # what a white rim costs, where digits have none
SHRINKING = 0.7  # of the steps; windows have their size from there on


class Colocalisation(Scenes):
    """A triplet hinge loss: windows of two images are to be more alike than one of them and a random patch.

    Every image of a batch is held against every other one. Windows pay for leaving the image: all is alike out there.
    They pay for ink in the rim that is bare in the frame of a digit: windows that all show a thing off the middle, or
    the same part of it, are as much alike as those that show it whole.

    Windows begin as large as the image and shrink to the frame of a digit as training goes on, by the same factor with
    every step. A small window that has not found its digit shows nothing that would lead it there; a large one need not
    find it, only not lose it.

    Batches are those of `Patches`. The network is a `Colocaliser`.

    Source: Jaderberg et al. (2015), appendix A.2.
    """

    monitored = "loss"  # boxes are for measuring alone: the loss has to do where others have errors

    def __init__(self, hidden: Hidden) -> None:
        super().__init__(Splits(hidden, hidden, hidden), Patches())
        self.hidden = hidden

    def figures(self, network: nn.Module, batch: Batch, done: float = 1.0) -> dict[str, Tensor]:
        assert isinstance(network, Colocaliser)
        images, theta = batch  # (N, 1, H, W), (N, 3)
        crops, windows = network(images, FRAME ** min(1.0, done / SHRINKING))
        chance = warp(images, network.family, theta, (SIDE, SIDE))
        price = STAY * beyond(windows) + BARE * rim(crops)  # (N,)
        return {"loss": hinge(network.encode(crops), network.encode(chance)) + price.mean()}

    @torch.inference_mode()
    def loss(self, network: Colocaliser) -> float:
        """The mean over the fixed pairs, with windows of the last size: what tells a good start from a bad one."""
        losses = [(self.figures(network, batch)["loss"].item(), len(batch[0])) for batch in self.validation]
        return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)

    @torch.inference_mode()
    def measure(self, network: nn.Module) -> dict[str, Any]:
        """Which boxes are found."""
        assert isinstance(network, Colocaliser)
        windows = network.theta(self.hidden.images)
        found = overlap(windows, self.hidden.boxes)  # (N,)
        missed = Score(100 * (found <= 0.5).float().mean().item(), len(self.hidden))
        return {
            "error_percent": missed.error_percent,
            "standard_error": missed.standard_error,
            "test_images": missed.test_images,
            "mean_overlap": found.mean().item(),
            "parameters": count_parameters(network),
            "localiser_parameters": count_localising_parameters(network),
            "pixels_read_percent": attention.pixels_read(self.hidden.images, network.family, windows),
        }


def hinge(found: Tensor, chance: Tensor) -> Tensor:
    """By how much crops fail to be nearer to each other than to a random patch, by a margin: the mean over all pairs.

    Args:
        found: (N, F) encodings of what was found in each image.
        chance: (N, F) encodings of a random patch of each.
    """
    with torch.autocast(found.device.type, enabled=False):  # in half precision the differences would be lost
        alike = found @ found.T  # (N, N)
    squared = alike.diagonal()
    near = squared[:, None] + squared - 2 * alike  # (N, N)
    far = (found - chance).square().sum(dim=1)  # (N,)
    pairs = ~torch.eye(len(found), dtype=torch.bool, device=found.device)
    return F.relu(near - far[:, None] + MARGIN)[pairs].mean()


def beyond(theta: Tensor) -> Tensor:
    """(N,) how far (N, 3) attention windows reach out of the image, along both axes together, in half-widths."""
    return F.relu(theta[:, :1].abs() + theta[:, 1:].abs() - 1).sum(dim=1)


def rim(crops: Tensor) -> Tensor:
    """(N,) mean brightness of the 4 pixels along each edge of (N, 1, 28, 28) crops."""
    inner = crops[..., RIM:-RIM, RIM:-RIM].sum(dim=(1, 2, 3))
    return (crops.sum(dim=(1, 2, 3)) - inner) / (SIDE**2 - BOX**2)


def overlap(theta: Tensor, boxes: Tensor) -> Tensor:
    """(N,) intersection over union of (N, 3) attention windows and (N, 4) boxes: left, top, right, bottom."""
    half, centre = theta[:, :1].abs(), theta[:, 1:]
    return regions.overlap(torch.cat([centre - half, centre + half], dim=1), boxes)
