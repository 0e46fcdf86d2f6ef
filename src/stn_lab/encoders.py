"""What makes crops comparable: two that show the same kind of thing have encodings that are near to each other."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Layers(nn.Module):
    """All layers of a classifier, side by side.

    Each layer has the same length whatever the crop, so that no layer drowns the others.

    Args:
        classifier: a CNN such as `cnn`, trained; its weights stay as they are.
    """

    def __init__(self, classifier: nn.Sequential) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)

    def forward(self, crops: Tensor) -> Tensor:
        """(N, C, h, w) to (N, F), of which the squared distances are about 1."""
        activations = []
        for layer in self.classifier:
            crops = layer(crops)
            if isinstance(layer, nn.ReLU | nn.Linear):  # after pooling; the last one has neither, nor a softmax
                # in half precision distances would be lost
                activations.append(F.normalize(crops.flatten(1).float(), dim=1))
        return torch.cat(activations, dim=1) / (2 * len(activations)) ** 0.5


class Gradients(nn.Module):
    """How strong edges of each direction are in each part of a crop: nothing has to be learnt for it.

    Source: the histograms of oriented gradients of Dalal and Triggs (2005), in cells that overlap; bright on dark and
    dark on bright are the same, and the channels of a colour picture are added up.

    Args:
        cell: pixels from one cell to the next; each is twice as wide.
        directions: of edges that are told apart, over half a turn.

    Example:
        >>> Gradients()(torch.rand(2, 3, 28, 28)).shape
        torch.Size([2, 392])
    """

    def __init__(self, cell: int = 4, directions: int = 8) -> None:
        super().__init__()
        self.cell = cell
        self.directions = directions

    def forward(self, crops: Tensor) -> Tensor:
        """(N, C, h, w) to (N, F), of which the squared distances are at most 1."""
        with torch.autocast(crops.device.type, enabled=False):
            strength = edges(crops.float(), self.directions)  # (N, directions, h, w)
        cells = F.avg_pool2d(strength, 2 * self.cell, self.cell, padding=self.cell // 2)
        return F.normalize(cells.flatten(1), dim=1) / 2**0.5


def edges(images: Tensor, directions: int) -> Tensor:
    """(N, C, H, W) to (N, directions, H, W): the strength of edges along each direction, summed over channels."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    squared = across.square() + down.square() + 1e-6  # its root has a derivative where nothing changes
    # Of twice the angle, by which opposite gradients are one.
    cosine, sine = (across.square() - down.square()) / squared, 2 * across * down / squared
    strength = squared.sqrt()
    # One direction after the other: all at once would be memory that the processor has to fetch.
    angles = (2 * math.pi * k / directions for k in range(directions))
    along = (F.relu(math.cos(angle) * cosine + math.sin(angle) * sine).square() for angle in angles)
    return torch.stack([(part * strength).sum(dim=1) for part in along], dim=1)
