"""How a window is learnt that shows the same thing in all images of a set, without a label or a box."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_transformer import warp
from stn_lab.digits.sets import BOX, RIM, SIDE
from stn_lab.training.module import TrainingModule

from .data import FRAME
from .network import Colocaliser

MARGIN = 1.0  # the paper's
STAY = 3.0  # to look at nothing, twice, is alike as well: what a half-width beyond the image costs
BARE = 1.5  # what a white rim costs, where digits have none
SHRINKING = 0.7  # of the steps; windows have their size from there on


class ColocalisationTraining(TrainingModule):
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

    monitored = "validation/loss"  # boxes are for measuring alone: the loss has to do where others have errors

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        done = self.trainer.global_step / (SHRINKING * self.budget.steps)
        loss = self._loss(batch, FRAME ** min(1.0, done))
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        self.log("validation/loss", self._loss(batch), batch_size=len(batch[0]), sync_dist=True)

    @torch.inference_mode()
    def loss_of(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """The mean over all images."""
        losses = [(self._loss(batch).item(), len(batch[0])) for batch in batches]
        return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)

    def _loss(self, batch: tuple[Tensor, Tensor], side: float = FRAME) -> Tensor:
        network = self.network
        assert isinstance(network, Colocaliser)
        images, theta = batch  # (N, 1, H, W), (N, 3)
        crops, windows = network(images, side)
        chance = warp(images, network.family, theta, (SIDE, SIDE))
        price = STAY * beyond(windows) + BARE * rim(crops)  # (N,)
        return hinge(network.encode(crops), network.encode(chance)) + price.mean()


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
    windows = torch.cat([centre - half, centre + half], dim=1)  # (N, 4)
    shared = _area(torch.maximum(windows[:, :2], boxes[:, :2]), torch.minimum(windows[:, 2:], boxes[:, 2:]))
    return shared / (_area(windows[:, :2], windows[:, 2:]) + _area(boxes[:, :2], boxes[:, 2:]) - shared)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=1)
