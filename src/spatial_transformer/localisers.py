"""Localisation networks: what looks at the input and gives features from which theta is regressed.

Any module will do that returns (N, F) features and has an attribute `out_features` that says F. The regression layer
behind it belongs to `SpatialTransformer`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from . import checks


@final
class PaperFCNLocaliser(nn.Sequential):
    """The localisation network of the paper's ST-FCN: three fully connected layers of 32 units.

    Args:
        in_channels: C of the input.
        size: (H, W) of the input; fixed, as the first layer has a weight per pixel.

    Raises:
        ValueError: `size` is not two positive numbers.

    Source: Jaderberg et al. (2015), appendix A.4.

    Example:
        >>> import torch
        >>> PaperFCNLocaliser(1, (28, 28))(torch.rand(8, 1, 28, 28)).shape
        torch.Size([8, 32])
    """

    def __init__(self, in_channels: int, size: Sequence[int]) -> None:
        pixels = in_channels * math.prod(checks.size("size", size, dims=2))
        widths = [pixels, 32, 32, 32]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers)
        self.out_features = 32


@final
class PaperCNNLocaliser(nn.Sequential):
    """The localisation network of the paper's ST-CNN, for inputs of 28 pixels and more along each side.

    The input is halved, then 20 filters of 5x5, 2x2 max pooling, 20 filters of 5x5, and a layer of 20 units.

    Args:
        in_channels: C of the input.
        size: (H, W) of the input, 28 or more each; smaller ones leave nothing for the second convolution.

    Raises:
        ValueError: an entry of `size` is below 28.

    Source: Jaderberg et al. (2015), appendix A.4. How the input is halved is not said there; here by averaging.

    Example:
        >>> import torch
        >>> PaperCNNLocaliser(1, (28, 28))(torch.rand(8, 1, 28, 28)).shape
        torch.Size([8, 20])
    """

    def __init__(self, in_channels: int, size: Sequence[int]) -> None:
        size = checks.size("size", size, dims=2, at_least=28)
        height, width = ((length // 2 - 4) // 2 - 4 for length in size)
        super().__init__(
            nn.AvgPool2d(2),
            nn.Conv2d(in_channels, 20, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 20, 5),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(20 * height * width, 20),
            nn.ReLU(),
        )
        self.out_features = 20


@final
class ConvLocaliser(nn.Sequential):
    """A localisation network for inputs of any size, images or volumes.

    Three 3x3 convolutions of stride 2 and a fourth of stride 1; their map is averaged to 4x4, which keeps where things
    are, and a fully connected layer follows. The number of weights does not depend on the size of the input.

    Where each axis is a multiple of 8 and 1 (9, 17, 33, ...) it has no side: mirrored weights see the mirrored image as
    these see the image. At other lengths a convolution of stride 2 has its padding at the first edge alone somewhere.

    Exported by `torch.export` or to ONNX, with axes that the exporter is told are dynamic, it takes batches and inputs
    of other sizes too: from 9 pixels along each axis, if that is so where it is exported.

    Volumes of at most 8 voxels along the last axis belong in float32, outside of autocast, on processors with AMX:
    PyTorch 2.13 there computes a convolution of stride 2 in bfloat16 from memory that nobody wrote, where its output
    is one voxel wide.

    Args:
        in_channels: C of the input.
        dims: 2 for images, 3 for volumes.
        width: filters of the first convolution; the later ones have twice as many.
        out_features: F, the number of features returned.

    Raises:
        ValueError: `dims` is neither 2 nor 3.

    Example:
        >>> import torch
        >>> localiser = ConvLocaliser(in_channels=3)
        >>> localiser(torch.rand(8, 3, 17, 11)).shape, localiser(torch.rand(8, 3, 1, 7)).shape
        (torch.Size([8, 32]), torch.Size([8, 32]))
    """

    def __init__(self, in_channels: int, *, dims: int = 2, width: int = 16, out_features: int = 32) -> None:
        checks.dims("ConvLocaliser", dims, allowed=(2, 3))
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        layers: list[nn.Module] = []
        channels = [in_channels, width, 2 * width, 2 * width, 2 * width]
        for before, after, stride in zip(channels[:-1], channels[1:], (2, 2, 2, 1), strict=True):
            layers += [convolution(before, after, 3, stride=stride, padding=1), nn.ReLU()]
        layers += [AveragedTo(4), nn.Flatten(), nn.Linear(channels[-1] * 4**dims, out_features), nn.ReLU()]
        super().__init__(*layers)
        self.out_features = out_features


@final
class AveragedTo(nn.Module):
    """The map averaged to `bins` along every axis, as `nn.AdaptiveAvgPool2d` and `nn.AdaptiveAvgPool3d` do.

    ONNX has no such operator for maps whose length is no multiple of `bins`, or not known yet. For an exporter each
    axis is therefore multiplied by a matrix that averages it, which is the same to rounding.

    Args:
        bins: along each axis.

    Example:
        >>> AveragedTo(2)(torch.tensor([[[[1.0, 2.0, 6.0]] * 2]])).tolist()
        [[[[1.5, 4.0], [1.5, 4.0]]]]
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) or (N, C, D, H, W) to (N, C, bins, ..., bins)."""
        if not torch.compiler.is_exporting():
            pool = nn.functional.adaptive_avg_pool2d if features.ndim == 4 else nn.functional.adaptive_avg_pool3d
            return pool(features, self.bins)
        for axis in range(2, features.ndim):
            averages = averaging_matrix(features.shape[axis], self.bins, features)
            features = (features.movedim(axis, -1) @ averages.T).movedim(-1, axis)
        return features

    def extra_repr(self) -> str:
        return f"{self.bins}"


def averaging_matrix(length: int, bins: int, like: Tensor) -> Tensor:
    """(bins, length): row i averages the entries from floor(i length / bins) to ceil((i + 1) length / bins)."""
    bin_ = torch.arange(bins, device=like.device)[:, None]
    start = torch.div(bin_ * length, bins, rounding_mode="floor")
    end = torch.div((bin_ + 1) * length + bins - 1, bins, rounding_mode="floor")
    entry = torch.arange(length, device=like.device)
    inside = (start <= entry) & (entry < end)
    return inside.to(like.dtype) / (end - start).to(like.dtype)
