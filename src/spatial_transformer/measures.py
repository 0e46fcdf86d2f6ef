"""Similarity measures between two images: how well a warped image matches a fixed one.

Each takes two images (N, C, ...), returns (N,) values, lower is better, and is differentiable in both. Half precision
is computed, and returned, in float32. None knows the unit of intensities: what counts as flat follows from the
precision of the images and their own size.

| measure | blind to | for |
|---|---|---|
| `mse` | nothing | images of one source |
| `ncc` | gain and offset of the whole image | another exposure |
| `local_ncc` | gain and offset that vary over the image | uneven light, bias fields |
| `mutual_information` | any one-to-one change of intensities, inversion too; outliers | another modality |
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from . import checks

Measure = Callable[[Tensor, Tensor], Tensor]

# What varies by less than so many times the rounding of its values is flat: an interpolated constant does, by a few.
ROUNDINGS = 4
# `intensity_range` leaves this share of the pixels aside at each end, and then reaches out by that part of the rest.
TAIL, REACH = 0.01, 0.5


def mse(warped: Tensor, fixed: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """The mean squared difference.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        weight: (N, 1, ...) how much each pixel counts, from 0; all alike by default.

    Returns:
        (N,) values from 0.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mse(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0))
        tensor([9.])
    """
    checks.same_shape("warped", warped, "fixed", fixed)
    return _mean((_wide(warped) - _wide(fixed)).square().flatten(1), _weights(warped, weight))


def ncc(warped: Tensor, fixed: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """One minus the normalised cross-correlation, over all channels and pixels.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        weight: (N, 1, ...) how much each pixel counts, from 0; all alike by default.

    Returns:
        (N,) values: 0 for images that differ in gain and offset alone, 1 for unrelated ones, 2 for a negative. An image
        of one colour is unrelated to all others.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> ncc(image, 3 * image + 1), ncc(image, -image)
        (tensor([0.]), tensor([2.]))
    """
    checks.same_shape("warped", warped, "fixed", fixed)
    weights = _weights(warped, weight)
    (a, noise_a), (b, noise_b) = (_centred(_wide(image).flatten(1), weights) for image in (warped, fixed))
    variance_a, variance_b = _mean(a.square(), weights), _mean(b.square(), weights)  # (N,)
    return 1 - _correlation(_mean(a * b, weights), variance_a, variance_b, variance_a > noise_a, variance_b > noise_b)


def local_ncc(warped: Tensor, fixed: Tensor, *, window: int = 9) -> Tensor:
    """One minus the normalised cross-correlation in a window around every pixel, averaged.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        window: odd, in pixels; smaller than the patches over which the light is even, larger than the noise.

    Returns:
        (N,) values between 0 and 2, as `ncc`. Windows that are flat in both images do not count; one that is flat in
        one of them is unrelated to the other's, and 1 without a gradient. So are two images that are flat everywhere.

    Raises:
        ValueError: the shapes differ, or `window` is even or below 3.

    Source: Avants et al. (2008), whose measure is squared and so blind to inversion; this one is not.

    Example:
        >>> image = torch.rand(1, 1, 16, 16)
        >>> local_ncc(image, image * torch.linspace(0.5, 2, 16)) < 0.2
        tensor([True])
    """
    dims = checks.same_shape("warped", warped, "fixed", fixed)
    if window < 3 or window % 2 == 0:
        raise ValueError(f"`window` must be odd and at least 3; got {window!r}.")

    def mean(image: Tensor) -> Tensor:  # along one axis after the other, which may all be shorter than the window
        for axis in range(2, image.ndim):
            lines = image.movedim(axis, -1)
            pooled = F.avg_pool2d(lines.flatten(0, -2)[None], (1, window), 1, (0, window // 2), count_include_pad=False)
            image = pooled.reshape(lines.shape).movedim(-1, axis)
        return image

    # A local variance is a small difference of large sums: they are taken in float64, and the bulk goes first.
    dtype, rounding = _wide(warped).dtype, 4 * window**dims * torch.finfo(torch.float64).eps
    (a, noise_a), (b, noise_b) = (_with_noise(_wide(image), mean) for image in (warped, fixed))  # (N, C, ...)
    mean_a, mean_b, square_a, square_b = mean(a), mean(b), mean(a * a), mean(b * b)
    variance_a, variance_b = square_a - mean_a.square(), square_b - mean_b.square()
    varies_a, varies_b = variance_a > noise_a + rounding * square_a, variance_b > noise_b + rounding * square_b
    local = _correlation(mean(a * b) - mean_a * mean_b, variance_a, variance_b, varies_a, varies_b)
    counted = (varies_a | varies_b).flatten(1).sum(dim=1)  # (N,)
    unrelated = counted - local.flatten(1).sum(dim=1)  # the sum of 1 - correlation over what counts
    return torch.where(counted > 0, unrelated / counted.clamp_min(1), 1).to(dtype)


def mutual_information(warped: Tensor, fixed: Tensor, *, bins: int = 32, weight: Tensor | None = None) -> Tensor:
    """Minus the mutual information of the intensities: how well one image's tell the other's.

    Intensities are sorted softly into bins (cubic B-spline windows over the `intensity_range` of each image), so that
    the joint histogram has a gradient. Outliers, such as hot pixels, are counted in the bins at the ends, without a
    gradient.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        bins: of the histogram, along each of its axes; needs (N, bins, C H W) numbers of memory, twice.
        weight: (N, 1, ...) how much each pixel counts, from 0; all alike by default.

    Returns:
        (N,) values up to 0, in nats; 0 for images that say nothing about each other.

    Raises:
        ValueError: the shapes differ, or `bins` is below 5.

    Source: Mattes et al. (2003); Thévenaz and Unser (2000) for the windows.

    Example:
        >>> image = torch.rand(1, 1, 32, 32)
        >>> same, inverted = mutual_information(image, image), mutual_information(image, 1 - image)
        >>> torch.allclose(same, inverted, atol=1e-4), bool(same < mutual_information(image, torch.rand(1, 1, 32, 32)))
        (True, True)
    """
    checks.same_shape("warped", warped, "fixed", fixed)
    checks.at_least("bins", bins, 5)
    shares, weights = _soft_bins(_wide(warped), bins), _weights(warped, weight)  # (N, bins, K), (N, K)
    shares = shares if weights is None else shares * weights[:, None]
    joint = shares @ _soft_bins(_wide(fixed), bins).mT  # (N, bins, bins)
    count = joint.sum(dim=(1, 2), keepdim=True)
    joint = joint / torch.where(count > 0, count, 1)
    apart = joint.sum(dim=2, keepdim=True) * joint.sum(dim=1, keepdim=True)
    tiny = torch.finfo(joint.dtype).tiny
    return -(joint * (joint.clamp_min(tiny).log() - apart.clamp_min(tiny).log())).sum(dim=(1, 2))


MEASURES: dict[str, Measure] = {"mse": mse, "ncc": ncc, "mi": mutual_information}


def intensity_range(image: Tensor) -> tuple[Tensor, Tensor]:
    """Where the intensities of an image lie, but for outliers.

    From the first to the 99th hundredth, and half as far again to both sides, but no further than the least and the
    greatest value: an image without outliers has its whole range. Where the hundredths agree, as nearly all pixels are
    of one value (a small mask, a few stars), from that value to the median of the others.

    Args:
        image: (N, C, ...), floating point.

    Returns:
        The least and the greatest, (N, 1) each, without a gradient; the same for an image of one colour.

    Example:
        >>> image = torch.linspace(0, 1, 1024).reshape(1, 1, 32, 32)
        >>> image[..., 0, 0] = 65535
        >>> [round(end.item(), 2) for end in intensity_range(image)]
        [0.0, 1.48]
    """
    values = image.detach().flatten(1)  # (N, K)
    count = values.shape[1]
    rank = int(TAIL * count)
    low, high = (values.kthvalue(k, dim=1, keepdim=True).values for k in (rank + 1, count - rank))  # (N, 1)
    other = torch.where(values == low, torch.nan, values).nanmedian(dim=1, keepdim=True).values  # NaN if there is none
    other = torch.where((low < high) | other.isnan(), low, other)
    low, high = torch.minimum(low, other), torch.maximum(high, other)
    reach = REACH * (high - low)
    least, greatest = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
    return torch.maximum(least, low - reach), torch.minimum(greatest, high + reach)


def _wide(image: Tensor) -> Tensor:
    return image.to(torch.promote_types(image.dtype, torch.float32))


def _weights(image: Tensor, weight: Tensor | None) -> Tensor | None:
    """(N, 1, ...) weights of pixels to (N, C ...) weights of values."""
    if weight is None:
        return None
    if weight.shape != (len(image), 1, *image.shape[2:]):
        expected = (len(image), 1, *image.shape[2:])
        raise ValueError(f"`weight` must have shape {expected}, as the images; got {checks.shape(weight)}.")
    return weight.expand(image.shape).flatten(1)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """(N, K) to (N,); 0 where nothing counts."""
    if weights is None:
        return values.mean(dim=1)
    count = weights.sum(dim=1)
    return (values * weights).sum(dim=1) / torch.where(count > 0, count, 1)


def _centred(values: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """(N, K) values around 0, in units of the largest, and the variance of their rounding, (N,)."""
    centred = values - _mean(values, weights)[:, None]
    unit = _unit(centred, dims=(1,))
    centred = centred / unit
    noise = ROUNDINGS * torch.finfo(values.dtype).eps * (values.detach() / unit)
    # Once more: what the first mean was rounded by is not small beside small contrasts.
    return centred - _mean(centred, weights)[:, None], _mean(noise.square(), weights)


def _with_noise(image: Tensor, mean: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """An image in float64, around 0 and in units of its own, and the variance of its rounding in each window.

    Correlation within windows depends on neither origin nor unit, so they have no gradient.
    """
    eps, image = torch.finfo(image.dtype).eps, image.double()
    dims = tuple(range(2, image.ndim))
    origin = image.detach().mean(dim=dims, keepdim=True)
    unit = _unit(image - origin, dims)
    return (image - origin) / unit, mean((ROUNDINGS * eps * image.detach() / unit).square())


def _unit(centred: Tensor, dims: tuple[int, ...]) -> Tensor:
    largest = centred.detach().abs().amax(dim=dims, keepdim=True)
    return torch.where(largest > 0, largest, 1)


def _correlation(
    covariance: Tensor, variance_a: Tensor, variance_b: Tensor, varies_a: Tensor, varies_b: Tensor
) -> Tensor:
    """0 where one of them does not vary, with a gradient of 0."""
    varies = varies_a & varies_b
    product = torch.where(varies, variance_a, 1) * torch.where(varies, variance_b, 1)
    return torch.where(varies, covariance, 0) / product.sqrt()


def _soft_bins(image: Tensor, bins: int) -> Tensor:
    """(N, C, ...) to (N, bins, C ...): how much each pixel belongs to each bin. Sums to one over the bins."""
    values = image.flatten(1)  # (N, K)
    low, high = intensity_range(image)  # (N, 1)
    span = torch.where(high > low, high - low, 1)
    inside = torch.minimum(torch.maximum(values, low), high)
    # One bin of margin on both sides, so that the windows of the extremes lie inside.
    position = 1 + (inside - low) / span * (bins - 3)  # (N, K), from 1 to bins - 2
    centres = torch.arange(bins, dtype=values.dtype, device=values.device)[:, None]  # (bins, 1)
    distance = (position[:, None] - centres).abs()  # (N, bins, K)
    near = 2 / 3 - distance.square() * (1 - distance / 2)
    return torch.where(distance < 1, near, (2 - distance).clamp_min(0) ** 3 / 6)
