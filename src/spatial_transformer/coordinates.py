"""The one convention for coordinates, and the only place where it is spelled out in code.

A point is normalised: along every axis -1 and +1 are the *outer edges* of the border pixels, so pixel `i` of an axis
with `n` pixels has its centre at `(2 i + 1) / n - 1`. The last axis of a tensor of points is x, y (, z); sizes are
(H, W) or (D, H, W), the other way round, as tensors store them. Nothing in the library takes an `align_corners`
argument; grids made by software that counts differently pass through the two converters at the end of this file.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from . import checks

# Half-widths from the centre at which "behind the horizon" is put: outside of every image, yet finite, so that a later
# matrix cannot turn it into NaN.
FAR_OUTSIDE = 1e6


def target_points(
    size: Sequence[int], *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The centres of the pixels of an output image: where a transformation is evaluated.

    Args:
        size: (H, W) or (D, H, W) of the output, in pixels.
        dtype: float32 or float64.
        device: where the points are put; the CPU by default.

    Returns:
        (1, H, W, 2) or (1, D, H, W, 3) normalised points, last axis x, y (, z). The leading axis says that every image
        of a batch shares them.

    Raises:
        ValueError: `size` has a length other than 2 or 3, or an entry below 1.
        TypeError: `dtype` is neither float32 nor float64.

    Source: the regular grid G of Jaderberg et al. (2015), section 3.2.

    Example:
        >>> target_points((1, 2))
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    size = checks.size("size", size)
    checks.coordinates_dtype(dtype)
    axes = [_pixel_centres(length, dtype, device) for length in size]  # (D?, H, W) order
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)[None]  # (1, *size, dims), x first


def _pixel_centres(length: int, dtype: torch.dtype, device: torch.device | str | None) -> Tensor:
    # 2i + 1 - n is a whole number, so one rounding (the division) is all that stands between this and the exact value.
    return torch.arange(1 - length, length, 2, dtype=dtype, device=device) / length  # (length,)


def normalised_to_pixel(points: Tensor, size: Sequence[int]) -> Tensor:
    """Convert normalised points to pixel indices: the centre of the first pixel is 0, of the last one n - 1.

    Args:
        points: (..., D) normalised points, x first.
        size: (H, W) or (D, H, W) of the image they point into.

    Returns:
        (..., D) pixel positions, x first (column, row (, slice)).

    Raises:
        ValueError: the last axis of `points` is not as long as `size`.

    Example:
        >>> normalised_to_pixel(torch.tensor([-1.0, 0.75]), (4, 10))
        tensor([-0.5000,  3.0000])
    """
    size = checks.size("size", size)
    checks.point_axis("points", points, len(size))
    return torch.stack([axis_to_pixel(points[..., d], n) for d, n in enumerate(size[::-1])], dim=-1)


def axis_to_pixel(coordinate: Tensor, length: int) -> Tensor:
    """One axis of `normalised_to_pixel`: (...) normalised coordinates to positions in pixels along `length` pixels."""
    # Scale first, shift second: at a pixel centre the sum then rounds to the whole number far more often than
    # ((x + 1) n - 1) / 2 does, which matters for "the identity leaves an image unchanged".
    return coordinate * (length / 2) + (length - 1) / 2


def axis_lengths(size: Sequence[int], like: Tensor) -> Tensor:
    """(D,) the numbers of pixels along x, y (, z); an exporter's open lengths stay open in `torch.tensor` alone."""
    return torch.tensor(size[::-1], dtype=like.dtype, device=like.device)


def pixel_to_normalised(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """Convert pixel positions to normalised points; the inverse of `normalised_to_pixel`.

    Args:
        pixels: (..., D) pixel positions, x first; 0 is the centre of the first pixel.
        size: (H, W) or (D, H, W) of the image they point into.

    Returns:
        (..., D) normalised points, x first.

    Raises:
        ValueError: the last axis of `pixels` is not as long as `size`.

    Example:
        >>> pixel_to_normalised(torch.tensor([-0.5, 3.0]), (4, 10))
        tensor([-1.0000,  0.7500])
    """
    size = checks.size("size", size)
    checks.point_axis("pixels", pixels, len(size))
    lengths = axis_lengths(size, pixels)  # (D,)
    return (2 * pixels + 1 - lengths) / lengths


def from_align_corners(points: Tensor, size: Sequence[int]) -> Tensor:
    """Convert points in which -1 and +1 are the *centres* of the border pixels (`align_corners=True`) to ours.

    Args:
        points: (..., D) points as software with `align_corners=True` counts them, x first.
        size: (H, W) or (D, H, W) of the image they point into.

    Returns:
        (..., D) points in this library's convention.

    Raises:
        ValueError: the last axis of `points` is not as long as `size`.

    Example:
        >>> from_align_corners(torch.tensor([1.0, 1.0]), (4, 10))
        tensor([0.9000, 0.7500])
    """
    size = checks.size("size", size)
    checks.point_axis("points", points, len(size))
    lengths = axis_lengths(size, points)  # (D,)
    return points * (lengths - 1) / lengths


def to_align_corners(points: Tensor, size: Sequence[int]) -> Tensor:
    """Convert our points to the `align_corners=True` counting; the inverse of `from_align_corners`.

    Args:
        points: (..., D) points in this library's convention, x first.
        size: (H, W) or (D, H, W) of the image they point into; no axis may have a single pixel, because there the
            other counting puts -1 and +1 on the same spot.

    Returns:
        (..., D) points as software with `align_corners=True` counts them.

    Raises:
        ValueError: the last axis of `points` is not as long as `size`, or an axis has one pixel.

    Example:
        >>> to_align_corners(torch.tensor([0.9, 0.75]), (4, 10))
        tensor([1., 1.])
    """
    size = checks.size("size", size, at_least=2)
    checks.point_axis("points", points, len(size))
    lengths = axis_lengths(size, points)  # (D,)
    return points * lengths / (lengths - 1)
