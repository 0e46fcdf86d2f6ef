"""Random changes to training images, a batch at a time, through the library's own `warp`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spatial_transformer import Affine, rotation_matrix, scale_matrix, translation_matrix, warp

from ..errors import UserError


@dataclass(frozen=True)
class Augmentation:
    """How far training images are changed; nothing by default. All is drawn uniformly, for each image by itself.

    Attributes:
        degrees: turned by up to this, either way.
        scale: grown by up to this factor, or shrunk; 1 is none.
        shift: moved by up to this part of the width and the height.
        flip: whether every other image is mirrored, left to right.
        brightness: up to this is added to all pixels, or taken away; 1 is from black to white.
        contrast: differences from the image's mean grow by up to this part, or shrink.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> images = torch.rand(8, 3, 32, 48)
        >>> Augmentation(degrees=15, scale=1.2, shift=0.1)(images, generator).shape
        torch.Size([8, 3, 32, 48])
    """

    degrees: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise UserError(f"the scale of an augmentation is a factor of 1 or more, either way; got {self.scale}")
        for name in ("degrees", "shift", "brightness", "contrast"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UserError(f"the {name} of an augmentation must not be below 0; got {getattr(self, name)}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, H, W) in 0 ... 1 to the same, changed; the generator is on the device of the images."""
        if self.degrees or self.scale != 1 or self.shift or self.flip:
            family = Affine()
            theta = family.from_matrix(self.matrix(len(images), images.shape[-2:], generator))
            images = warp(images, family, theta, padding="border")
        if self.contrast:
            mean = images.mean(dim=(1, 2, 3), keepdim=True)
            images = mean + (images - mean) * (1 + self._drawn(self.contrast, (len(images), 1, 1, 1), generator))
        if self.brightness:
            images = images + self._drawn(self.brightness, (len(images), 1, 1, 1), generator)
        return images.clamp(0, 1) if self.contrast or self.brightness else images

    def matrix(self, count: int, size: torch.Size | tuple[int, int], generator: torch.Generator) -> Tensor:
        """(count, 3, 3): from points of the changed images to points of the given ones, which are `size`, (H, W)."""
        height, width = size
        extent = torch.tensor([[width, height]], dtype=torch.float32, device=generator.device).expand(count, 2)
        angle = torch.deg2rad(self._drawn(self.degrees, (count,), generator))
        zoom = self.scale ** -self._drawn(1.0, (count, 1), generator)  # as often grown as shrunk
        side = torch.randint(0, 2, (count, 1), generator=generator, device=generator.device) * 2 - 1
        mirror = torch.cat([side if self.flip else torch.ones_like(side), torch.ones_like(side)], dim=1)
        turned = scale_matrix(1 / extent) @ rotation_matrix(angle) @ scale_matrix(extent * zoom * mirror)
        return translation_matrix(2 * self._drawn(self.shift, (count, 2), generator)) @ turned

    @staticmethod
    def _drawn(most: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return most * (2 * torch.rand(shape, generator=generator, device=generator.device) - 1)
