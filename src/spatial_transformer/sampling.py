"""The sampler: read an image at points."""

from collections.abc import Sequence

import torch
from torch import Tensor

from . import checks
from .coordinates import axis_lengths
from .homography import grid
from .kernels import Kernel, Linear, kernel_of
from .linearised import Linearised
from .ops.resample import repeated, resample, resample_grid
from .ops.resample.layout import has_channels_last

Mode = str | Kernel | Linearised
Padding = str | float | Sequence[str | float]


def sample(
    image: Tensor,
    points: Tensor,
    *,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    index: Tensor | None = None,
) -> Tensor:
    """Read an image, or a volume, at points. Differentiable in both.

    Args:
        image: (N, C, H, W) or (N, C, D, H, W). Half-precision images are fine: coordinates and sums stay in float32.
            Integer images, such as label maps, go with mode "nearest". Complex ones are read part by part.
        points: (N, ..., D) source points, normalised, x first; any rank. N may be 1 here or in `image`: that one is
            then used for all. A NaN reads as the fill value, an infinity is far outside.
        mode: "nearest" (the pixel at floor(x + 0.5)), "bilinear" (trilinear in volumes), "bicubic" (Keys's kernel with
            a = -0.75), "bspline3" (interpolating cubic B-spline), a `Kernel`, or `Linearised` for wide gradients.
        padding: what lies outside of the image: "zeros", "border" (the border pixel), "reflection" (the image mirrored
            at its outer edges), "wrap" (the image again), or a number to fill with; or one of these for each axis, in
            the order of the image's, (H, W) or (D, H, W), with one number at most. NaN and infinity fill with "nearest"
            only, which does not blend them with pixels.
        index: (M,) whole numbers: the image that each of M sets of points reads, any of them any number of times.
            `points` is then (M, ..., D). The images are not copied.

    Returns:
        (N, C, ...), or (M, C, ...) with `index`, in the dtype of `image`, and, when it is an image again, in its memory
        format.

    Raises:
        ValueError: a shape, batch, mode, padding or index that does not fit.
        TypeError: points in half precision, or an integer image with a blending mode or a gradient.

    Source: Jaderberg et al. (2015), equations 3 to 7. At a whole x the gradient is the central difference, the mean of
    the slopes on both sides.

    Example:
        >>> image = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> sample(image, torch.tensor([[[0.0, 0.0], [0.25, 0.0], [2.0, 0.0]]]))
        tensor([[[1.5000, 2.0000, 0.0000]]])
    """
    call = repeated.find(image, points, "sample", mode, padding, index)
    if call is not None:
        return call(image, points)
    dims = checks.image(image)
    checks.point_axis("points", points, dims)
    if points.ndim < 2:
        raise ValueError(f"`points` must have shape (N, ..., {dims}); got {checks.shape(points)}. Pass `points[None]`.")
    checks.batches(image, "points", points, index)
    checks.same_device(image, "points", points)
    flat = points.flatten(1, -2) if points.ndim > 2 else points[:, None]  # (M, K, D)
    read = _read(image, flat, (), mode, padding, index)  # (M, C, K)
    result = read if points.ndim == 3 else read.reshape(*read.shape[:2], *points.shape[1:-1])  # (M, C, ...)
    result = in_memory_format_of(image, result) if result.ndim == image.ndim else result
    repeated.remember(image, points, "sample", mode, padding, index, result)
    return result


def sample_grid(
    image: Tensor,
    matrix: Tensor,
    size: Sequence[int],
    *,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    index: Tensor | None = None,
) -> Tensor:
    """Read an image on the grid of a linear or projective map: `sample`, without the points where a backend can.

    Args:
        image: as for `sample`.
        matrix: (M, D, D+1), or (M, D+1, D+1) for a projective map: target to source, normalised, x first.
        size: (H, W) or (D, H, W) of the output.
        mode: as for `sample`.
        padding: as for `sample`.
        index: as for `sample`.

    Returns:
        (M, C, *size) in the dtype and memory format of `image`.

    Raises:
        ValueError: a mode or padding that does not fit; shapes and batches are checked by the callers.
        TypeError: an integer image with a blending mode or a gradient.
    """
    return in_memory_format_of(image, _read(image, matrix, tuple(size), mode, padding, index))


def _read(
    image: Tensor, source: Tensor, target: tuple[int, ...], mode: Mode, padding: Padding, index: Tensor | None
) -> Tensor:
    """(N, C, *size) at (M, K, D) points: (M, C, K); or on the grids of matrices: (M, C, *target)."""
    checks.mode(mode)
    rules = checks.padding(padding, image.ndim - 2, mode=mode)
    checks.integer_image(image, source, mode=mode, padding=rules)
    if image.is_complex():
        parts = torch.view_as_real(image).movedim(-1, 1).flatten(1, 2)  # (N, 2 C, *size)
        both = _read(parts, source, target, mode, padding, index).unflatten(1, (2, -1))
        return torch.view_as_complex(both.movedim(1, -1).contiguous())
    if isinstance(mode, Linearised):
        points = grid(source, target) if target else source
        read = _linearised(image, points, mode, rules, index)
        return read.unflatten(2, target) if target else read
    if target:
        return resample_grid(image, source, target, kernel=kernel_of(mode), padding=rules, index=index)
    return resample(image, source, kernel=kernel_of(mode), padding=rules, index=index)


def _linearised(
    image: Tensor, points: Tensor, how: Linearised, padding: tuple[str | float, ...], index: Tensor | None
) -> Tensor:
    """(N, C, *size) at (M, K, D): bilinear values, (M, C, K), with the slope of a fitted plane as gradient."""
    still = points.detach()
    value = resample(image, still, kernel=Linear(), padding=padding, index=index)
    if not (points.requires_grad and torch.is_grad_enabled()):
        return value
    offsets = how.offsets(points.shape[-1]).to(points)  # (S, D) in pixels
    fit = torch.linalg.pinv(offsets)  # (D, S): values around a point to the slope of the plane through them
    half_pixels = axis_lengths(image.shape[2:], points) / 2  # (D,), x first
    move = (points - still) * half_pixels  # (M, K, D): zero, with a gradient
    for offset, weights in zip(offsets, fit.T, strict=True):
        around = resample(image.detach(), still + offset / half_pixels, kernel=Linear(), padding=padding, index=index)
        value = value + around * (move @ weights)[:, None]
    return value


def in_memory_format_of(image: Tensor, result: Tensor) -> Tensor:
    """An image in the memory format, channels last or not, of another."""
    if not has_channels_last(image) or has_channels_last(result):
        return result
    return result.contiguous(memory_format=torch.channels_last if image.ndim == 4 else torch.channels_last_3d)
