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

    def __init__(self, channels: int, side: int, *, batch_norm: bool = False) -> None:
        super().__init__(
            FlattenPixels(),
            *_behind(nn.Linear(channels * side**2, 32), batch_norm),
            *_behind(nn.Linear(32, 32), batch_norm),
        )
        self.out_features = 32


class ConvMapLocaliser(nn.Sequential):
    """Two convolutions with pooling between them, and two layers of 32 units: that of ST-CNN Single.

    Args:
        channels: of the map.
        side: of the map.
        filters: of each convolution, 32 in the paper.
        batch_norm: behind every layer; none in the paper.
    """

    def __init__(self, channels: int, side: int, filters: int = 32, *, batch_norm: bool = False) -> None:
        super().__init__(
            *_behind(nn.Conv2d(channels, filters, 5, padding=2), batch_norm),
            nn.MaxPool2d(2),
            *_behind(nn.Conv2d(filters, filters, 5, padding=2), batch_norm),
            *MapLocaliser(filters, side // 2, batch_norm=batch_norm),
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
        batch_norm: behind every layer, those of localisation networks too; none in the paper.
    """

    def __init__(
        self,
        side: int,
        transformers: Transformers,
        *,
        filters: int = FILTERS[0],
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for number, paper in enumerate(FILTERS):
            if number < {"none": 0, "single": 1, "multi": 4}[transformers]:
                if transformers == "single":
                    localiser: nn.Module = ConvMapLocaliser(
                        channels, side, 32 * filters // FILTERS[0], batch_norm=batch_norm
                    )
                else:
                    localiser = MapLocaliser(channels, side, batch_norm=batch_norm)
                layers.append(SpatialTransformer(localiser, Affine(), (side, side), padding="border"))
            wide = paper * filters // FILTERS[0]
            layers += _behind(for_relu(nn.Conv2d(channels, wide, 5, padding=2)), batch_norm)
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
            layers += [*_behind(for_relu(nn.Linear(before, after)), batch_norm), nn.Dropout(dropout)]
        layers += [nn.Linear(units, PLACES * CLASSES), nn.Unflatten(1, (PLACES, CLASSES))]
        super().__init__(*layers)


def _behind(layer: nn.Conv2d | nn.Linear, batch_norm: bool) -> list[nn.Module]:
    """A layer and what comes behind it: ReLU, and batch norm before that if asked for."""
    if not batch_norm:
        return [layer, nn.ReLU()]
    norm = nn.BatchNorm2d(layer.out_channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(layer.out_features)
    return [layer, norm, nn.ReLU()]


def for_relu(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Weights that keep the size of activations through eleven layers of ReLU (He et al., 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer
