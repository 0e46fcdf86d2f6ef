"""What the transformer of a trained network looks at: as a picture, and as the share of the pixels it reads."""

from pathlib import Path

import torch
from torch import Tensor, nn

from spatial_transformer import Family, ParallelTransformers, SpatialTransformer, normalised_to_pixel, target_points
from stn_lab.regions import regions

PICTURE = "picture.png"


def first_transformer(network: nn.Module) -> SpatialTransformer | ParallelTransformers | None:
    """The transformer, or set of parallel ones, nearest to the input; None for a network without."""
    return next((m for m in network.modules() if isinstance(m, SpatialTransformer | ParallelTransformers)), None)


@torch.inference_mode()
def draw(images: Tensor, family: Family, theta: Tensor, warped: Tensor, path: Path) -> None:
    """Draw (N, C, H, W) images, the regions sampled and what was sampled.

    Args:
        images: more than fit are left out.
        family: of the transformations.
        theta: (N, P), or (N, K, P) of K transformers side by side.
        warped: (N, C, h, w) or (N, K, C, h, w).
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # which takes a second to import

    from stn_lab.views.strip import COUNT, draw_strip

    images, theta, warped = images[:COUNT], theta[:COUNT], warped[:COUNT]
    if theta.ndim == 2:
        warped, theta = warped[:, None], theta[:, None]  # one of one
    outlines = regions(family, theta, tuple(images.shape[2:])).outline  # (N, K, L, 2)
    figure = draw_strip(images.numpy(), outlines.numpy(), warped.numpy())
    FigureCanvasAgg(figure).print_png(path)


@torch.inference_mode()
def pixels_read(images: Tensor, family: Family, theta: Tensor) -> float:
    """The share of the pixels of (N, C, H, W) images that lie where transformers look, in percent; theta as above."""
    height, width = size = images.shape[2:]
    theta = theta[:, None] if theta.ndim == 2 else theta  # (N, K, P)
    fine = target_points((2 * height, 2 * width))  # fine enough to meet every pixel, unless a warp magnifies the region
    points = family.points(theta.flatten(0, 1), fine).unflatten(0, theta.shape[:2])  # (N, K, 2H, 2W, 2)
    column, row = normalised_to_pixel(points, size).round().flatten(1, -2).unbind(-1)  # (N, M)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = torch.where(inside, row * width + column, height * width).long()
    read = images.new_zeros(len(images), height * width + 1).scatter_(1, place, 1.0)
    return 100 * read[:, :-1].mean().item()
