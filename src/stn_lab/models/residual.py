"""A small residual network for colour photographs of any size.

Source: He et al., Deep Residual Learning for Image Recognition (2016); four stages of one block each.
"""

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, added to what came in.

    Args:
        before: channels that come in.
        after: channels that go out.
        stride: 2 to halve the map.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        return (self.body(maps) + self.shortcut(maps)).relu()


def residual(channels: int, size: tuple[int, int], width: int, classes: int) -> nn.Sequential:
    """A convolution, four blocks of which three halve the map, and the mean over the map, read by a linear layer.

    Args:
        channels: of the image.
        size: (H, W) of the image; one of 64 pixels or more is halved by the first convolution too.
        width: channels of the first block; the second has twice as many, the others four times.
        classes: how many there are.
    """
    stride = 2 if min(size) >= 64 else 1
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        Block(4 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )
