"""What looks at a photograph, or at a crop of one: convolutions that end in a map of features.

A backbone takes (N, 3, H, W) images in 0 ... 1, returns (N, F, h, w) and says F as `out_features`.
"""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from stn_lab.errors import UserError

INCEPTION = "inception_v3.tv_in1k"  # timm's name of the weights, learnt on ImageNet


class SmallBackbone(nn.Sequential):
    """Blocks of a 3x3 convolution, batch norm, ReLU and 2x2 max pooling, and a convolution without pooling.

    Args:
        width: filters of the first block; the second has twice as many, all further ones four times as many.
        halvings: how many blocks, each of which halves the map.
    """

    def __init__(self, width: int, halvings: int) -> None:
        layers: list[nn.Module] = []
        before = 3
        for block in range(halvings + 1):
            after = width * 2 ** min(block, 2)
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            if block < halvings:
                layers.append(nn.MaxPool2d(2))
            before = after
        super().__init__(*layers)
        self.out_features = before


class Inception(nn.Module):
    """The third Inception with batch norm and weights learnt on ImageNet, from timm, without its classifier.

    The paper's is the one before it. 224 pixels become a map of 5x5 with 2,048 features, where the paper has 7x7 with
    1,024.

    Args:
        pretrained: whether the weights are fetched.

    Raises:
        UserError: timm has no weights here and cannot fetch them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__()
        import timm

        try:
            self.body = timm.create_model(INCEPTION, pretrained=pretrained, num_classes=0, global_pool="")
        except Exception as error:  # a download fails in as many ways as there are networks
            raise UserError(
                f"timm cannot fetch the weights {INCEPTION} ({type(error).__name__}); fetch them where there is a "
                "network, or uninstall timm to take the small network that is built in"
            ) from error
        self.out_features: int = self.body.num_features
        normal: dict[str, Any] = self.body.pretrained_cfg
        self.register_buffer("mean", torch.tensor(normal["mean"])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(normal["std"])[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.body((images - self.mean) / self.std)


def photograph_backbone(filters: int) -> nn.Module:
    """For 224 pixels: timm's Inception when timm is installed; a small one with `filters`, untrained, otherwise."""
    return Inception() if find_spec("timm") is not None else SmallBackbone(filters, 5)
