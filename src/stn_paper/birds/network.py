"""Networks for fine-grained classes: windows on the parts of an image that matter, and a stream for each.

Source: Jaderberg et al. (2015), section 4.3 and appendix A.6.
"""

import bisect
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spatial_transformer import Attention, ParallelTransformers, tile_starts
from spatial_transformer.guards import Bound

SCALE = 0.5  # of a window, as a part of the image
WIDTHS = range(4, 129)  # tried when networks are made equally costly

Backbone = Callable[[], nn.Module]


class PartLocaliser(nn.Module):
    """A backbone, a 1x1 convolution to 128 features, and a layer of 128 units on the whole map, with batch norm.

    Without batch norm, which the paper does not mention here, all 128 units may fall silent before windows have moved.

    Args:
        backbone: makes (N, F, h, w) of images.
        side: of the images, in pixels.
        seen: the side that the backbone is given, a whole part of `side`; pixels are averaged to it.
    """

    def __init__(self, backbone: nn.Module, side: int, seen: int) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(side // seen)
        self.backbone = backbone
        self.narrow = nn.Sequential(
            nn.Conv2d(backbone.out_features, 128, 1, bias=False),  # type: ignore[arg-type]
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            height, width = backbone.eval()(torch.zeros(1, 3, seen, seen)).shape[2:]
        backbone.train()
        self.widen = nn.Sequential(nn.Linear(128 * height * width, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU())
        self.out_features = 128

    def forward(self, images: Tensor) -> Tensor:
        return self.widen(self.narrow(self.backbone(self.shrink(images))))


class PartClassifier(nn.Module):
    """Images (N, 3, side, side) to logits (N, classes): by one look at all of them, or by several at parts.

    Windows of half the image's size only move, and their centres stay in the image: from outside of it no gradient
    leads back. One localiser places all, and they start as tiles. What each shows goes
    through a backbone of its own; the features of all, averaged over their maps, are read by one linear layer.

    Args:
        backbone: makes a new backbone at each call.
        side: of the images, in pixels.
        classes: how many there are.
        tiles: (rows, columns) of windows at the start; None for a network that looks at the image once.
        crop: the side of what a window shows, in pixels.
        dropout: before the linear layer, 0.7 in the paper.
    """

    def __init__(
        self,
        backbone: Backbone,
        side: int,
        classes: int,
        *,
        tiles: tuple[int, int] | None,
        crop: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.transformer: ParallelTransformers | None = None
        if tiles is not None:
            family = Attention()
            self.transformer = ParallelTransformers(
                PartLocaliser(backbone(), side, crop),
                family,
                tile_starts(family, tiles, scale=SCALE),
                (crop, crop),
                padding="border",
                bound=Bound(low=(SCALE, -1, -1), high=(SCALE, 1, 1)),
            )
        streams = [backbone() for _ in range(1 if tiles is None else math.prod(tiles))]
        self.streams = nn.ModuleList(streams)
        features: int = sum(stream.out_features for stream in streams)  # type: ignore[misc]
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, classes))

    def start_from(self, backbone: nn.Module) -> None:
        """Give every backbone, the localiser's among them, the weights of one that has learnt something before."""
        localisers = [] if self.transformer is None else list(self.transformer.localisers)
        for own in [*self.streams, *(localiser.backbone for localiser in localisers)]:
            own.load_state_dict(backbone.state_dict())

    def forward(self, images: Tensor) -> Tensor:
        shown = [images] if self.transformer is None else self.transformer(images).unbind(1)
        maps = [stream(crop) for stream, crop in zip(self.streams, shown, strict=True)]  # K of (N, F, h, w)
        return self.head(torch.cat([seen.mean(dim=(2, 3)) for seen in maps], dim=1))


def multiply_adds(network: nn.Module, side: int) -> int:
    """How many a forward pass takes for one image, in convolutions and linear layers."""
    from torch.utils.flop_counter import FlopCounterMode  # brings half of PyTorch's compiler

    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() // 2


def as_costly(build: Callable[[int], nn.Module], target: int, side: int) -> nn.Module:
    """The network whose cost comes nearest to a target.

    Args:
        build: makes the network of a width.
        target: `multiply_adds` wanted.
        side: of the images, in pixels.
    """

    def cost(width: int) -> int:
        return multiply_adds(build(width), side)

    above = bisect.bisect_left(WIDTHS, target, key=cost)
    width = min(WIDTHS[max(above - 1, 0) : above + 1], key=lambda width: abs(cost(width) - target))
    return build(width)
