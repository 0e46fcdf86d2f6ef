"""Co-localisation: a window is learnt that shows the same thing in all pictures of a set, without a label or a box.

Source: Jaderberg et al. (2015), appendix A.2.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatial_transformer import Attention, SpatialTransformer, Translation, warp
from spatial_transformer.guards import Bound
from spatial_transformer.sampling import Padding

from . import regions
from .models.build import count_localising_parameters, count_parameters
from .tasks.scene import Splits
from .tasks.scene_task import Scenes
from .tasks.task import Batch

CANVAS = 84  # pixels along each side of what the network sees
CROP = 28  # and of what is compared
MARGIN = 1.0  # the paper's
STAY = 3.0  # to look at nothing, twice, is alike as well: what a half-width beyond the image costs
SHRINKING = 0.7  # of the steps; windows have their size from there on


@dataclass(frozen=True)
class Alike:
    """Pictures that share a thing.

    Attributes:
        images: (N, C, 84, 84) in 0 ... 1.
        boxes: (N, 4) where it is, normalised: left, top, right, bottom; NaN where nobody knows. Never learnt from.
    """

    images: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Self:
        return type(self)(self.images.to(device), self.boxes.to(device))


@dataclass(frozen=True)
class Patches:
    """Pictures, a few pixels off their place, and a random patch of each.

    A batch is (N, C, 84, 84) images and the (N, 3) parameters of an attention window.

    Attributes:
        side: of a patch, as a part of the picture's: that of the thing. Of larger ones most hold the thing, and then a
            window that shows nothing differs from them as well as one that shows it.
        move: pixels by which pictures move at most, along each axis and in whole ones. Those that stay where they are
            can be learnt by heart, with a wrong window for some of them.
        padding: what comes into the picture then.
    """

    side: float
    move: int
    padding: Padding = "zeros"

    def compose(self, images: Alike, index: Tensor, generator: torch.Generator) -> Batch:
        """The images at `index`."""
        device, count = generator.device, len(index)
        low, high = -self.move, self.move + 1
        move = torch.randint(low, high, (count, 2), generator=generator, device=device) * (2 / CANVAS)
        moved = warp(images.images[index], Translation(), move, mode="nearest", padding=self.padding)
        scale = torch.full((count, 1), self.side, device=device)
        shift = (2 * torch.rand(count, 2, generator=generator, device=device) - 1) * (1 - scale)
        return moved, torch.cat([scale, shift], dim=1)


class ColocalisationLocaliser(nn.Sequential):
    """8 filters of 9x9 with stride 4, 2x2 max pooling, two layers of 8 units: 6,000 parameters with the regression.

    The paper calls it a network of 100,000, which these layers do not add up to; the layers are followed.

    Args:
        in_channels: C of the images.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 8, 9, stride=4),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 9 * 9, 8),
            nn.ReLU(),
            nn.Linear(8, 8),
            nn.ReLU(),
        )
        self.out_features = 8


class Colocaliser(nn.Module):
    """Crops a window out of an image, and encodes crops.

    Args:
        encoder: (N, C, 28, 28) crops to (N, F), of which squared distances are about 1, as the margin is; see
            `encoders.py`. Its weights stay as they are.
        in_channels: C of the images.
        side: of a window as a part of the image's, give or take the 5 % that the transformer makes of it.

    Attributes:
        family: of the windows.
    """

    def __init__(self, encoder: nn.Module, in_channels: int, side: float) -> None:
        super().__init__()
        self.family = Attention()
        self.side = side
        bound = Bound(low=(0.95, -math.inf, -math.inf), high=(1.05, math.inf, math.inf))
        self.transformer = SpatialTransformer(ColocalisationLocaliser(in_channels), self.family, bound=bound)
        self.encode = encoder.requires_grad_(False)

    def theta(self, images: Tensor, side: float) -> Tensor:
        """(N, 3) attention windows of about that side, where to look in (N, C, 84, 84) images."""
        theta = self.transformer.theta(images)
        return theta * theta.new_tensor([side, 1, 1])

    def crop(self, images: Tensor, theta: Tensor) -> Tensor:
        """(N, C, 28, 28): what (N, 3) windows show of (N, C, 84, 84) images."""
        return warp(images, self.family, theta, (CROP, CROP))

    def forward(self, images: Tensor, side: float | None = None) -> tuple[Tensor, Tensor]:
        """What is seen, (N, C, 28, 28), and the (N, 3) windows, of the last size unless another is asked for."""
        theta = self.theta(images, self.side if side is None else side)
        return self.crop(images, theta), theta


class Colocalisation(Scenes):
    """A triplet hinge loss: windows of two images are to be more alike than one of them and a random patch.

    Every image of a batch is held against every other one. Windows pay for leaving the image: all is alike out there.

    Windows begin as large as the image and shrink to the size of the thing as training goes on, by the same factor with
    every step. A small window that has not found its thing shows nothing that would lead it there; a large one need not
    find it, only not lose it.

    The network is a `Colocaliser`.

    Args:
        pictures: that share a thing.
        patches: how batches are made of them.
    """

    monitored = "loss"  # boxes are for measuring alone: the loss has to do where others have errors

    def __init__(self, pictures: Alike, patches: Patches) -> None:
        super().__init__(Splits(pictures, pictures, pictures), patches)
        self.pictures = pictures

    def figures(self, network: nn.Module, batch: Batch, done: float = 1.0) -> dict[str, Tensor]:
        assert isinstance(network, Colocaliser)
        images, theta = batch  # (N, C, H, W), (N, 3)
        crops, windows = network(images, network.side ** min(1.0, done / SHRINKING))
        chance = network.crop(images, theta)
        price = STAY * beyond(windows) + self.price(crops)  # (N,)
        return {"loss": hinge(network.encode(crops), network.encode(chance)) + price.mean()}

    def price(self, crops: Tensor) -> Tensor:
        """(N,) what (N, C, 28, 28) crops cost by themselves, where something is known of how the thing lies in them."""
        return crops.new_zeros(len(crops))

    @torch.inference_mode()
    def loss(self, network: Colocaliser) -> float:
        """The mean over the fixed pairs, with windows of the last size: what tells a good start from a bad one."""
        losses = [(self.figures(network, batch)["loss"].item(), len(batch[0])) for batch in self.validation]
        return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)

    def measure(self, network: nn.Module) -> dict[str, Any]:
        assert isinstance(network, Colocaliser)
        return {
            "loss": self.loss(network),
            "parameters": count_parameters(network),
            "localiser_parameters": count_localising_parameters(network),
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


def boxes_of(theta: Tensor) -> Tensor:
    """(..., 4) boxes that (..., 3) attention windows are: left, top, right, bottom, normalised."""
    half, centre = theta[..., :1].abs(), theta[..., 1:]
    return torch.cat([centre - half, centre + half], dim=-1)


def overlap(theta: Tensor, boxes: Tensor) -> Tensor:
    """(N,) intersection over union of (N, 3) attention windows and (N, 4) boxes: left, top, right, bottom."""
    return regions.overlap(boxes_of(theta), boxes)
