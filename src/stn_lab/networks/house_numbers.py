"""The networks of the paper's house numbers: eleven hidden layers, and transformers in front of the first or of four.

Source: Jaderberg et al. (2015), section 4.2 and appendix A.5. How a transformer treats the 128 pixels of loose crops is
not said there; here all keep the size of what they get. Outside of an image they see its border going on: the ground of
a photograph is not black.
"""

import itertools
from typing import Literal

from torch import Tensor, nn

from spatial_transformer import Affine, SpatialTransformer

PLACES, CLASSES = 5, 11  # digits and "none"
FILTERS = (48, 64, 128, 160, 192, 192, 192, 192)
POOLED = (0, 2, 4, 6)  # the convolutions behind which 2x2 pixels become one
UNITS = 3072


Transformers = Literal["none", "single", "multi"]


class FlattenPixels(nn.Module):
    """Maps (N, C, H, W) to (N, H W C), pixel after pixel.

    The channels of a pixel lie side by side where convolutions are fast, so nothing is copied here, nor is the gradient
    on its way back; `nn.Flatten` would rearrange both.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


class MapLocaliser(nn.Sequential):
    """Two layers of 32 units on the whole map that comes in: the localisation networks of ST-CNN Multi."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(FlattenPixels(), nn.Linear(channels * side**2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.out_features = 32


class ConvMapLocaliser(nn.Sequential):
    """Two convolutions with pooling between them, and two layers of 32 units: that of ST-CNN Single.

    Args:
        channels: of the map.
        side: of the map.
        filters: of each convolution, 32 in the paper.
    """

    def __init__(self, channels: int, side: int, filters: int = 32) -> None:
        super().__init__(
            nn.Conv2d(channels, filters, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(filters, filters, 5, padding=2),
            nn.ReLU(),
            *MapLocaliser(filters, side // 2),
        )
        self.out_features = 32


class HouseNumberReader(nn.Sequential):
    """(N, 3, side, side) to (N, 5, 11) logits, a classifier for each place of the number.

    Args:
        side: of the images, a multiple of 16.
        transformers: none, one on the image, or four: on the image and on the maps before the next three convolutions.
        filters: of the first convolution, 48 in the paper; all other layers follow in proportion but the units of
            localisation networks.
        dropout: behind every layer but the first convolution, 0.5 in the paper.
    """

    def __init__(
        self, side: int, transformers: Transformers, *, filters: int = FILTERS[0], dropout: float = 0.5
    ) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for number, paper in enumerate(FILTERS):
            if number < {"none": 0, "single": 1, "multi": 4}[transformers]:
                if transformers == "single":
                    localiser: nn.Module = ConvMapLocaliser(channels, side, 32 * filters // FILTERS[0])
                else:
                    localiser = MapLocaliser(channels, side)
                layers.append(SpatialTransformer(localiser, Affine(), (side, side), padding="border"))
            wide = paper * filters // FILTERS[0]
            layers += [for_relu(nn.Conv2d(channels, wide, 5, padding=2)), nn.ReLU()]
            if number in POOLED:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            if number > 0:
                layers.append(nn.Dropout(dropout))
            channels = wide
        units = UNITS * filters // FILTERS[0]
        widths = [channels * side**2, units, units, units]
        layers.append(nn.Flatten())
        for before, after in itertools.pairwise(widths):
            layers += [for_relu(nn.Linear(before, after)), nn.ReLU(), nn.Dropout(dropout)]
        layers += [nn.Linear(units, PLACES * CLASSES), nn.Unflatten(1, (PLACES, CLASSES))]
        super().__init__(*layers)


def for_relu(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """Weights that keep the size of activations through eleven layers of ReLU (He et al., 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer
