"""PyTorch: `torch.nn.functional.affine_grid` with `grid_sample`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import checks
from ..coordinates import axis_lengths
from .arguments import affine_matrix, arguments


def to_torch(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int], *, align_corners: bool) -> Tensor:
    """Our matrix to the theta of `affine_grid`: normalised, x first, target to source.

    `F.affine_grid(theta[:, :-1], (N, C, *target_size), align_corners=...)` takes it without its last row. With
    `align_corners=False`, PyTorch's default, -1 and +1 are the outer edges of the image as they are here, and the
    matrix stays as it is. With `align_corners=True` they are the centres of the border pixels, and the matrix depends
    on both sizes. Both calls, `affine_grid` and `grid_sample`, must be given the same flag.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image.
        align_corners: PyTorch's flag, as it will be given to `affine_grid` and `grid_sample`.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised as PyTorch does.

    Raises:
        ValueError: a shape is another, a matrix is not affine, or `align_corners=True` for a source with a single pixel
            along an axis, where -1 and +1 are the same spot.

    Example:
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> to_torch(half, (8, 8), (4, 4), align_corners=True)[:, :-1]  # 3 of 7 steps between pixels
        tensor([[[0.4286, 0.0000, 0.0000],
                 [0.0000, 0.4286, 0.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    matrix = affine_matrix("affine_grid", matrix)
    return to_centres(matrix, source_size, target_size) if align_corners else matrix


def from_torch(
    matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int], *, align_corners: bool
) -> Tensor:
    """The theta of `affine_grid` to our matrix.

    Args:
        matrix: (N, D, D+1), as `affine_grid` takes it, or (N, D+1, D+1); target to source, normalised as PyTorch does,
            x first.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image.
        align_corners: PyTorch's flag, as `affine_grid` and `grid_sample` were given it.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, a matrix is not affine, or `align_corners=True` for a target with a single pixel
            along an axis.

    Example:
        >>> theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])  # from border pixel to border pixel
        >>> from_torch(theta, (8, 8), (4, 4), align_corners=True)[:, :-1]
        tensor([[[1.1667, 0.0000, 0.0000],
                 [0.0000, 1.1667, 0.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    matrix = affine_matrix("affine_grid", matrix)
    return from_centres(matrix, source_size, target_size) if align_corners else matrix


def to_centres(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """(N, D+1, D+1) between outer edges at -1 and +1 to (N, D+1, D+1) between centres of border pixels at -1 and +1."""
    checks.size("source_size", source_size, at_least=2)
    return matrix / _shrink(source_size, matrix)[:, None] * _shrink(target_size, matrix)


def from_centres(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """The inverse of `to_centres`."""
    checks.size("target_size", target_size, at_least=2)
    return matrix * _shrink(source_size, matrix)[:, None] / _shrink(target_size, matrix)


def _shrink(size: Sequence[int], like: Tensor) -> Tensor:
    """(D+1,): how far from the centre the border pixels' centres are, where the outer edges are at 1; and 1."""
    lengths = axis_lengths(size, like)  # (D,)
    return torch.cat([(lengths - 1) / lengths, torch.ones_like(lengths[:1])])
