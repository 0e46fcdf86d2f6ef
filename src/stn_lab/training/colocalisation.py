"""How a window is learnt that shows the same thing in all images of a set, without a label or a box."""

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_transformer import Attention, warp

from ..networks.colocaliser import Colocaliser
from .module import TrainingModule

MARGIN = 1.0
STAY = 3.0  # to look at nothing, twice, is alike as well: what a half-width beyond the image costs


class ColocalisationTraining(TrainingModule):
    """A triplet hinge loss: windows of two images are to be more alike than one of them and a random patch.

    Windows pay for leaving the image, where everything is alike.

    Batches are those of `Pairs`. The network is a `Colocaliser`.

    Source: Jaderberg et al. (2015), appendix A.2.
    """

    monitored = "validation/loss"  # boxes are for measuring alone: the loss has to do where others have errors

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        loss = self._loss(batch)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        self.log("validation/loss", self._loss(batch), batch_size=len(batch[0]), sync_dist=True)

    def _loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        network = self.network
        assert isinstance(network, Colocaliser)
        pairs, theta = batch  # (N, 2, 1, H, W), (N, 3)
        crops, windows = network.transformer(pairs.flatten(0, 1), return_theta=True)
        found, other = network.encode(crops).unflatten(0, (len(pairs), 2)).unbind(1)
        chance = network.encode(warp(pairs[:, 0], Attention(), theta, network.transformer.size))
        return hinge(found, other, chance) + STAY * beyond(windows).mean()


def hinge(anchor: Tensor, alike: Tensor, unlike: Tensor) -> Tensor:
    """By how much `alike` fails to be nearer to `anchor` than `unlike`, by a margin: the mean over (N, F) encodings."""
    near, far = ((anchor - other).square().sum(dim=1) for other in (alike, unlike))
    return F.relu(near - far + MARGIN).mean()


def beyond(theta: Tensor) -> Tensor:
    """(N,) how far (N, 3) attention windows reach out of the image, along both axes together, in half-widths."""
    return F.relu(theta[:, :1].abs() + theta[:, 1:].abs() - 1).sum(dim=1)


def overlap(theta: Tensor, boxes: Tensor) -> Tensor:
    """(N,) intersection over union of (N, 3) attention windows and (N, 4) boxes: left, top, right, bottom."""
    half, centre = theta[:, :1].abs(), theta[:, 1:]
    windows = torch.cat([centre - half, centre + half], dim=1)  # (N, 4)
    shared = _area(torch.maximum(windows[:, :2], boxes[:, :2]), torch.minimum(windows[:, 2:], boxes[:, 2:]))
    return shared / (_area(windows[:, :2], windows[:, 2:]) + _area(boxes[:, :2], boxes[:, 2:]) - shared)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=1)
