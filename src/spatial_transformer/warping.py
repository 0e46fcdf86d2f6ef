"""Warp an image by a transformation: a family's grid, read by the sampler."""

from collections.abc import Sequence

from torch import Tensor

from . import checks
from .averaging import average, mean_over
from .compiling import recorded
from .constants import without_values
from .coordinates import target_points
from .families import Family, MatrixFamily
from .footprint import footprint, side_lengths
from .ops.resample import repeated
from .sampling import Mode, Padding, in_memory_format_of, sample, sample_grid


def warp(
    image: Tensor,
    family: Family,
    theta: Tensor,
    size: Sequence[int] | None = None,
    *,
    mode: Mode = "bilinear",
    padding: Padding = "zeros",
    antialias: bool | int = False,
    index: Tensor | None = None,
) -> Tensor:
    """Warp an image, or a volume. Differentiable in the image and in theta.

    Args:
        image: (N, C, H, W) or (N, C, D, H, W); half precision and, with mode "nearest", integers are fine.
        family: the family of transformations; maps points of the output to points of `image`.
        theta: (N, P) parameters, float32 or float64. N may be 1 here or in `image`: that one is then used for all.
        size: (H, W) or (D, H, W) of the output; the size of `image` by default.
        mode: "nearest", "bilinear" (trilinear in volumes), "bicubic", "bspline3", a `Kernel` or `Linearised`, as in
            `sample`.
        padding: "zeros", "border", "reflection", "wrap" or a number to fill with, or one for each axis, as in `sample`.
        antialias: where the warp shrinks, average over the parallelogram of the source that a target pixel covers,
            instead of reading a few pixels in its middle; where it magnifies, nothing changes. Costs one sample per
            source pixel in it; what lies outside of the image is not read. A number fixes how many samples are taken
            along an axis of it, which `torch.compile(fullgraph=True)` and `torch.vmap` need, and exporters do not.
        index: (M,) whole numbers: the image that each of M thetas warps, any of them any number of times, without
            copying them.

    Returns:
        (N, C, *size), or (M, C, *size) with `index`, in the dtype and memory format of `image`.

    Raises:
        ValueError: a shape, batch, mode, padding or index that does not fit.
        TypeError: theta in half precision, or an integer image with a blending mode or a gradient.

    Source: Jaderberg et al. (2015), section 3, where aliasing is named and left open.

    Example:
        >>> import torch
        >>> from spatial_transformer import Attention
        >>> image = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> warp(image, Attention(), torch.tensor([[0.5, 0.0, 0.0]]), (1, 2))  # the middle half
        tensor([[[[1., 2.]]]])
    """
    checks.family(family)
    size = None if size is None else checks.size("size", size, dims=family.dims)
    kind = (type(family), family.dims, size)
    if not antialias and isinstance(family, MatrixFamily):
        call = repeated.find(image, theta, kind, mode, padding, index)
        if call is not None:
            return call(image, family.rows(theta))
    checks.image(image, family.dims)
    checks.theta(family, family.parameter_count, theta)
    checks.batches(image, "theta", theta, index)
    checks.same_device(image, "theta", theta)
    checks.antialias(antialias)
    target = tuple(image.shape[2:]) if size is None else size
    if not antialias and isinstance(family, MatrixFamily):
        matrix = family.rows(theta)
        result = sample_grid(image, matrix, target, mode=mode, padding=padding, index=index)
        repeated.remember(image, theta, kind, mode, padding, index, result, matrix=matrix)
        return result
    points = family.grid(theta, target)  # (M, *target, D)
    if not antialias:
        return sample(image, points, mode=mode, padding=padding, index=index)
    checks.averageable(image)
    source = tuple(image.shape[2:])
    at = target_points(target, dtype=theta.dtype, device=theta.device)
    covered = footprint(family.jacobian(theta, at), source, target)  # (M, *target, D, D)
    flat, covered = points.flatten(1, -2), covered.flatten(1, -3)  # (M, K, D), (M, K, D, D)
    if antialias is not True or without_values(covered):
        taps = (int(antialias),) * family.dims
        mean = mean_over(image, flat, covered, taps, mode=mode, padding=padding, index=index)  # (M, C, K)
    elif recorded() or _shrinks(covered, source):
        mean = average(image, flat, covered, mode=mode, padding=padding, index=index)
    else:
        return warp(image, family, theta, size, mode=mode, padding=padding, index=index)
    return in_memory_format_of(image, mean.unflatten(2, target).to(image.dtype))


def _shrinks(covered: Tensor, source: tuple[int, ...]) -> bool:
    """Whether one of the (M, K, D, D) footprints is wider than a pixel."""
    checks.countable(covered)
    return bool((side_lengths(covered.detach(), source) > 1 + 1e-3).any())
