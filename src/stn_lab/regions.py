"""Where the transformers of a network look, one or several side by side, and how well that fits boxes."""

import torch
from torch import Tensor

from spatial_transformer import Family, ParallelTransformers, Region, SpatialTransformer

Transformer = SpatialTransformer | ParallelTransformers


def thetas(transformer: Transformer, images: Tensor) -> Tensor:
    """(N, K, P) parameters that K transformers predict for (N, C, H, W) images."""
    theta = transformer.theta(images)
    return theta[:, None] if theta.ndim == 2 else theta


def regions(family: Family, theta: Tensor, size: tuple[int, ...]) -> Region:
    """The regions that (N, K, P) parameters sample: outlines (N, K, L, 2) and boxes (N, K, 4), in pixels."""
    found = family.region(theta.flatten(0, 1), size)
    return Region(*(values.unflatten(0, theta.shape[:2]) for values in found))


def pixel_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 4) boxes in normalised coordinates to pixels of (H, W) images, of which pixel i spans [i, i + 1]."""
    height, width = size
    return (boxes + 1) / 2 * boxes.new_tensor([width, height, width, height])


def overlaps(seen: Tensor, true: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, K) intersection over union of (N, K, 4) boxes, as far as they are within the image, with (N, 4) true ones.

    All are in pixels; NaN where there is no true box, 0 where thetas are not numbers.
    """
    height, width = size
    inside = torch.minimum(seen.clamp(min=0), seen.new_tensor([width, height, width, height]))
    known = true.isfinite().all(dim=1)[:, None]  # (N, 1)
    return torch.where(known, overlap(inside, true[:, None]).nan_to_num(0), torch.nan)


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """(...) intersection over union of two (..., 4) sets of boxes: left, top, right, bottom."""
    shared = _area(torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:]))
    return shared / (_area(boxes[..., :2], boxes[..., 2:]) + _area(others[..., :2], others[..., 2:]) - shared)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=-1)
