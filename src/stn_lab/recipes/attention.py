"""What the transformer of a trained network looks at: as a picture, and as the share of the pixels it reads."""

from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer, normalised_to_pixel, target_points

from ..report.strip import COUNT, draw_strip
from ..training.pictures import OUTLINE, frame

PICTURE = "picture.png"


def first_transformer(network: nn.Module) -> SpatialTransformer | ParallelTransformers | None:
    """The transformer, or set of parallel ones, nearest to the input; None for a network without."""
    return next((m for m in network.modules() if isinstance(m, SpatialTransformer | ParallelTransformers)), None)


@torch.inference_mode()
def draw(transformer: SpatialTransformer | ParallelTransformers, images: Tensor, path: Path) -> None:
    """Draw (N, C, H, W) images, the regions sampled and the transformer's output."""
    images = images[:COUNT]
    warped, theta = transformer(images, return_theta=True)
    if isinstance(transformer, SpatialTransformer):
        warped, theta = warped[:, None], theta[:, None]  # one of one: (N, K, C, h, w), (N, K, P)
    outlines = transformer.family.points(theta.flatten(0, 1), frame(OUTLINE).to(theta)).unflatten(0, theta.shape[:2])
    figure = draw_strip(images.numpy(), outlines.numpy(), warped.numpy())
    FigureCanvasAgg(figure).print_png(path)


@torch.inference_mode()
def pixels_read(transformer: SpatialTransformer | ParallelTransformers, images: Tensor) -> float:
    """The share of the pixels of (N, C, H, W) images that lie where the transformer looks, in percent."""
    height, width = size = images.shape[2:]
    theta = transformer.theta(images)
    theta = theta[:, None] if theta.ndim == 2 else theta  # (N, K, P)
    fine = target_points((2 * height, 2 * width))  # fine enough to meet every pixel, unless a warp magnifies the region
    points = transformer.family.points(theta.flatten(0, 1), fine).unflatten(0, theta.shape[:2])  # (N, K, 2H, 2W, 2)
    column, row = normalised_to_pixel(points, size).round().flatten(1, -2).unbind(-1)  # (N, M)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = torch.where(inside, row * width + column, height * width).long()
    read = images.new_zeros(len(images), height * width + 1).scatter_(1, place, 1.0)
    return 100 * read[:, :-1].mean().item()
