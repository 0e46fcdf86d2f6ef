"""The networks of co-localisation: one that looks for the object, one that says how alike two crops are.

Source: Jaderberg et al. (2015), appendix A.2.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatial_transformer import Attention, SpatialTransformer, warp
from spatial_transformer.guards import Bound
from stn_lab.digits.sets import SIDE

from .data import FRAME


class ColocalisationLocaliser(nn.Sequential):
    """8 filters of 9x9 with stride 4, 2x2 max pooling, two layers of 8 units: 6,000 parameters with the regression.

    The paper calls it a network of 100,000, which these layers do not add up to; the layers are followed.
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 8, 9, stride=4),
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
        classifier: a CNN for 28x28 digits, trained; its weights stay as they are.

    Attributes:
        family: of the windows.
    """

    def __init__(self, classifier: nn.Sequential) -> None:
        super().__init__()
        self.family = Attention()
        bound = Bound(low=(0.95, -math.inf, -math.inf), high=(1.05, math.inf, math.inf))
        self.transformer = SpatialTransformer(ColocalisationLocaliser(), self.family, bound=bound)
        self.classifier = classifier.requires_grad_(False)

    def theta(self, images: Tensor, side: float = FRAME) -> Tensor:
        """Where to look.

        Args:
            images: (N, 1, 84, 84).
            side: of a window as a part of the image's, give or take what the transformer makes of it.

        Returns:
            (N, 3) attention windows.
        """
        theta = self.transformer.theta(images)
        return theta * theta.new_tensor([side, 1, 1])

    def forward(self, images: Tensor, side: float = FRAME) -> tuple[Tensor, Tensor]:
        """What is seen there, (N, 1, 28, 28), and the (N, 3) windows."""
        theta = self.theta(images, side)
        return warp(images, self.family, theta, (SIDE, SIDE)), theta

    def encode(self, crops: Tensor) -> Tensor:
        """(N, 1, 28, 28) to (N, F): what the three layers of the classifier make of a crop, side by side.

        Each layer has the same length whatever the crop, so that no layer drowns the others; squared distances of the
        whole are about 1, as the margin is.
        """
        activations = []
        for layer in self.classifier:
            crops = layer(crops)
            if isinstance(layer, nn.ReLU | nn.Linear):  # after pooling; the last one has neither, nor a softmax
                # in half precision distances would be lost
                activations.append(F.normalize(crops.flatten(1).float(), dim=1))
        return torch.cat(activations, dim=1) / (2 * len(activations)) ** 0.5
