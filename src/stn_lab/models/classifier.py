"""The classifiers of the paper's MNIST experiments, with or without a transformer in front.

Source: Jaderberg et al. (2015), appendix A.4. Every classifier has three weight layers and ReLU. Pooling rounds up
("ceil mode"): on RTS the 6.5 pixels left before the second convolution must become 7 for its 7x7 filters to fit.
"""

import math

from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer

Size = int | tuple[int, int]  # one number for a square


def fcn(channels: int, size: Size, units: int, classes: int) -> nn.Sequential:
    """Two hidden layers of `units` and a linear classifier, for (N, channels, height, width)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * math.prod(_pair(size)), units),
        nn.ReLU(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, classes),
    )


def cnn(channels: int, size: Size, filters: int, classes: int) -> nn.Sequential:
    """9x9 convolution, 2x2 max pooling, 7x7 convolution, 2x2 max pooling, linear classifier."""
    left = [_after_two(length) for length in _pair(size)]
    return nn.Sequential(
        nn.Conv2d(channels, filters, 9),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 7),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(filters * math.prod(left), classes),
    )


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _after_two(length: int) -> int:
    """Pixels along a side that are left by two convolutions with pooling."""
    return math.ceil((math.ceil((length - 8) / 2) - 6) / 2)


class DigitClassifier(nn.Module):
    """Images (N, channels, side, side) to logits (N, classes), through a transformer if there is one.

    Args:
        classifier: sees the transformer's output, after pooling, or the image. Of several transformers it sees all
            outputs, as channels of one image.
        transformer: warps the image first; None for the networks that the paper compares with.
        pool: average 2x2 pixels of the transformer's output, as the paper does for RTS and TC.
    """

    def __init__(
        self,
        classifier: nn.Module,
        transformer: SpatialTransformer | ParallelTransformers | None = None,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.pool = nn.AvgPool2d(2) if pool else nn.Identity()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(images if self.transformer is None else self.transformer(images))

    def classify(self, seen: Tensor) -> Tensor:
        """What a transformer hands over, (N, channels, side, side), of several (N, K, ...), to logits (N, classes)."""
        if isinstance(self.transformer, ParallelTransformers):
            seen = seen.flatten(1, 2)  # (N, K, channels, side, side) to (N, K channels, side, side)
        return self.classifier(self.pool(seen))
