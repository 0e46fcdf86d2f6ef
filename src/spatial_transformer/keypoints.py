"""A localisation network that says where things are: the mean position of each feature, and how far it spreads."""

import math
from typing import final

import torch
from torch import Tensor, nn

from . import checks
from .coordinates import target_points
from .families.base import full_precision


@final
class KeypointLocaliser(nn.Module):
    """A localisation network for objects that may be anywhere, in images or volumes of any size.

    Four 3x3 convolutions with batch norm, of which two halve the map, give K maps. The softmax of each over all its
    places is where that feature is seen; its mean and its standard deviation along each axis are what is returned.
    Where something is thus reaches theta as a number that moves as it does, from the first step on, instead of having
    to be learnt from a map. `docs/own-images.md` has what a network with it learnt.

    Args:
        in_channels: C of the input.
        dims: 2 for images, 3 for volumes.
        width: filters of the first convolution; K, the number of maps, is twice as many.

    Raises:
        ValueError: `dims` is neither 2 nor 3. While training, by PyTorch's batch norm: a single image of at most two
            pixels along each axis, of which there is no variance.

    Source: the spatial softmax of Levine et al., End-to-End Training of Deep Visuomotor Policies (2016), section 4.2;
    the spreads are ours.

    Example:
        >>> localiser = KeypointLocaliser(in_channels=3)
        >>> localiser(torch.rand(8, 3, 17, 11)).shape, localiser.out_features
        (torch.Size([8, 128]), 128)
    """

    def __init__(self, in_channels: int, *, dims: int = 2, width: int = 16) -> None:
        super().__init__()
        checks.dims("KeypointLocaliser", dims, allowed=(2, 3))
        convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv3d, nn.BatchNorm3d)
        maps = 2 * width
        layers: list[nn.Module] = []
        for before, after, stride in ((in_channels, width, 2), (width, maps, 2), (maps, maps, 1), (maps, maps, 1)):
            layers += [convolution(before, after, 3, stride, padding=1, bias=False), norm(after), nn.ReLU()]
        self.maps = nn.Sequential(*layers[:-1])  # the softmax takes what is below zero too
        self.sharpness = nn.Parameter(torch.ones(maps))
        self.out_features = 2 * dims * maps

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) or (N, C, D, H, W) to (N, 2 D K): the K positions, normalised, and the K spreads."""
        maps = self.maps(images)  # (N, K, h, w)
        with full_precision(maps):
            scores = maps.flatten(2).to(torch.promote_types(maps.dtype, torch.float32))
            seen = torch.softmax(scores * self.sharpness[:, None], dim=2)  # (N, K, h w)
            places = target_points(maps.shape[2:], device=maps.device).flatten(0, -2).to(seen)  # (h w, D)
            mean = seen @ places  # (N, K, D)
            variance = seen @ places.square() - mean.square()
            spread = variance.clamp(min=1e-6).sqrt() - EVERYWHERE
            return torch.cat([mean, spread], dim=2).flatten(1)


# The spread of what is seen everywhere: the standard deviation of a uniform distribution from -1 to 1.
EVERYWHERE = 1 / math.sqrt(3)
