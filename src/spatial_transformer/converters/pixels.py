"""The pair that all others are made of: matrices between normalised points, and matrices between pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..families.base import full_precision
from .arguments import arguments


def to_pixel_matrix(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Our matrix to one between pixels: it takes a pixel of the output to the position in the input to read.

    Pixels are counted as everybody does: 0 is the centre of the first pixel, x first, target to source. OpenCV uses
    such matrices with `flags=cv2.WARP_INVERSE_MAP`.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image.

    Returns:
        (N, D+1, D+1) matrices, target to source, pixels. The identity between equal sizes stays exact.

    Raises:
        ValueError: a shape is another, or the sizes differ in their number of axes.

    Example:
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])  # the middle half of the input ...
        >>> to_pixel_matrix(half, (8, 8), (4, 4))  # ... starts at pixel 2, and keeps its resolution
        tensor([[[1., 0., 2.],
                 [0., 1., 2.],
                 [0., 0., 1.]]])
    """
    source, target, matrix = arguments(matrix, source_size, target_size)
    with full_precision(matrix):
        # Dividing in the middle keeps whole numbers whole: the identity comes out without a rounding error.
        return _pixels(source, matrix) @ matrix / _lengths(target, matrix) @ _half_widths(target, matrix)


def from_pixel_matrix(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """A matrix between pixels, target to source, to ours; the inverse of `to_pixel_matrix`.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, pixels, x first; 0 is the centre of the first pixel.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, or the sizes differ in their number of axes.

    Example:
        >>> crop = torch.tensor([[[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]])
        >>> from_pixel_matrix(crop, (8, 8), (4, 4))
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000],
                 [0.0000, 0.0000, 1.0000]]])
    """
    source, target, matrix = arguments(matrix, source_size, target_size)
    with full_precision(matrix):
        return _half_widths(source, matrix) @ matrix @ _pixels(target, matrix) / _lengths(source, matrix)[:, None]


def _lengths(size: tuple[int, ...], like: Tensor) -> Tensor:
    """(D+1,): the number of pixels along x, y (, z), and 1."""
    return torch.tensor([*size[::-1], 1], dtype=like.dtype, device=like.device)


def _pixels(size: tuple[int, ...], like: Tensor) -> Tensor:
    """(D+1, D+1): normalised points to pixels, x n / 2 + (n - 1) / 2."""
    lengths = _lengths(size, like)
    return _scale_and_shift(lengths / 2, (lengths - 1) / 2)


def _half_widths(size: tuple[int, ...], like: Tensor) -> Tensor:
    """(D+1, D+1): pixels to normalised points times n, 2 p + 1 - n."""
    lengths = _lengths(size, like)
    return _scale_and_shift(torch.full_like(lengths, 2), 1 - lengths)


def _scale_and_shift(scale: Tensor, shift: Tensor) -> Tensor:
    """The (D+1, D+1) matrix of (D+1,) scales and shifts, the last of which do not count."""
    matrix = scale.diag()
    matrix[:, -1] = shift
    matrix[-1, -1] = 1
    return matrix
