"""A network that looks at a volume through its sum over depth, with or without a transformer in front.

Source: Jaderberg et al. (2015), appendix A.3, which names no layers. Here a localisation network of two convolutions,
as in distorted MNIST but with a third dimension, and the classifier of distorted MNIST on the sum.
"""

from torch import Tensor, nn

from spatial_transformer import Affine, SpatialTransformer
from stn_lab.models.classifier import cnn

from .data import SCALE, THICKNESS


class VolumeLocaliser(nn.Sequential):
    """The volume is halved; 20 filters of 5x5x5 with stride 2, 40 filters of 3x3x3, and a layer of 64 units.

    A stride in place of pooling: pooling volumes takes longer than the convolution before it. With batch norm, without
    which it learns poses more slowly.

    Args:
        side: of the volume, in voxels; 18 or more.
    """

    def __init__(self, side: int) -> None:
        left = (side // 2 - 5) // 2 - 1
        super().__init__(
            nn.AvgPool3d(2),
            nn.Conv3d(1, 20, 5, stride=2, bias=False),
            nn.BatchNorm3d(20),
            nn.ReLU(),
            nn.Conv3d(20, 40, 3, bias=False),
            nn.BatchNorm3d(40),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(40 * left**3, 64, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
        )
        self.out_features = 64


class VolumeClassifier(nn.Module):
    """Volumes (N, 1, side, side, side) to logits (N, classes).

    Args:
        side: of the volume, in voxels.
        filters: of each convolution of the classifier.
        classes: how many there are.
        transformed: whether a 3D affine transformer turns the volume before it is summed.
    """

    def __init__(self, side: int, filters: int, classes: int, *, transformed: bool) -> None:
        super().__init__()
        family = Affine(dims=3)
        self.transformer = SpatialTransformer(VolumeLocaliser(side), family) if transformed else None
        self.classifier = cnn(1, side, filters, classes)

    def project(self, volumes: Tensor) -> Tensor:
        """What the classifier sees, (N, 1, side, side): the sum over depth, 1 where it goes through a facing digit."""
        seen = volumes if self.transformer is None else self.transformer(volumes)
        return seen.sum(dim=2) / (SCALE * THICKNESS)

    def forward(self, volumes: Tensor) -> Tensor:
        return self.classifier(self.project(volumes))
