"""Regions of an image, in normalised coordinates: -1 and +1 are its outer edges."""

import torch
from torch import Tensor


def frame(per_side: int) -> Tensor:
    """(4 per_side, 2) points around the border of an image, clockwise from the top left corner."""
    along = torch.linspace(-1, 1, per_side + 1)[:-1]
    edge = torch.ones_like(along)
    sides = [(along, -edge), (edge, along), (-along, edge), (-edge, -along)]
    return torch.cat([torch.stack(side, dim=1) for side in sides])


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """(N,) intersection over union of two (N, 4) sets of boxes: left, top, right, bottom."""
    shared = _area(torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:]))
    return shared / (_area(boxes[:, :2], boxes[:, 2:]) + _area(others[:, :2], others[:, 2:]) - shared)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=1)
