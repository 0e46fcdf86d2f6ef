"""Similarity measures between two images: how well a warped image matches a fixed one.

Each takes two images (N, C, ...), returns (N,) values, lower is better, and is differentiable in both.

| measure | blind to | for |
|---|---|---|
| `mse` | nothing | images of one source |
| `ncc` | gain and offset of the whole image | another exposure |
| `local_ncc` | gain and offset that vary over the image | uneven light, bias fields |
| `mutual_information` | any one-to-one change of intensities, inversion too | another modality |
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from . import checks

Measure = Callable[[Tensor, Tensor], Tensor]


def mse(warped: Tensor, fixed: Tensor) -> Tensor:
    """The mean squared difference.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.

    Returns:
        (N,) values from 0.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mse(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0))
        tensor([9.])
    """
    checks.same_shape("warped", warped, "fixed", fixed)
    return (warped - fixed).square().flatten(1).mean(dim=1)


def ncc(warped: Tensor, fixed: Tensor) -> Tensor:
    """One minus the normalised cross-correlation, over all channels and pixels.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.

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
    a, b = (image.flatten(1) - image.flatten(1).mean(dim=1, keepdim=True) for image in (warped, fixed))  # (N, K)
    return 1 - _correlation((a * b).mean(dim=1), a.square().mean(dim=1), b.square().mean(dim=1))


def local_ncc(warped: Tensor, fixed: Tensor, *, window: int = 9) -> Tensor:
    """One minus the normalised cross-correlation in a window around every pixel, averaged.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        window: odd, in pixels; smaller than the patches over which the light is even, larger than the noise.

    Returns:
        (N,) values between 0 and 2, as `ncc`.

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

    def mean(image: Tensor) -> Tensor:
        pool = F.avg_pool2d if dims == 2 else F.avg_pool3d
        return pool(image, window, stride=1, padding=window // 2, count_include_pad=False)

    # The local variance is a small difference of large sums, unless the bulk is taken away first.
    a, b = (image - image.mean(dim=tuple(range(2, image.ndim)), keepdim=True) for image in (warped, fixed))
    mean_a, mean_b = mean(a), mean(b)
    covariance = mean(a * b) - mean_a * mean_b
    local = _correlation(covariance, mean(a * a) - mean_a.square(), mean(b * b) - mean_b.square())
    return 1 - local.flatten(1).mean(dim=1)


def mutual_information(warped: Tensor, fixed: Tensor, *, bins: int = 32) -> Tensor:
    """Minus the mutual information of the intensities: how well one image's tell the other's.

    Intensities are sorted softly into bins (cubic B-spline windows between the least and the greatest value of each
    image), so that the joint histogram has a gradient.

    Args:
        warped: (N, C, H, W) or (N, C, D, H, W).
        fixed: the same shape.
        bins: of the histogram, along each of its axes; needs (N, bins, C H W) numbers of memory, twice.

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
    joint = _soft_bins(warped, bins) @ _soft_bins(fixed, bins).mT  # (N, bins, bins)
    joint = joint / joint.sum(dim=(1, 2), keepdim=True)
    apart = joint.sum(dim=2, keepdim=True) * joint.sum(dim=1, keepdim=True)
    tiny = torch.finfo(joint.dtype).tiny
    return -(joint * (joint.clamp_min(tiny).log() - apart.clamp_min(tiny).log())).sum(dim=(1, 2))


MEASURES: dict[str, Measure] = {"mse": mse, "ncc": ncc, "mi": mutual_information}


def _correlation(covariance: Tensor, variance_a: Tensor, variance_b: Tensor) -> Tensor:
    """0 where a variance is, with a gradient of 0."""
    # Rounding leaves a variance of this size where the image is of one colour.
    least = 1e-6 * max(torch.finfo(covariance.dtype).eps, 1e-9)
    product = variance_a.clamp_min(0) * variance_b.clamp_min(0)
    return covariance / torch.where(product > least**2, product, 1).sqrt() * (product > least**2)


def _soft_bins(image: Tensor, bins: int) -> Tensor:
    """(N, C, ...) to (N, bins, C ...): how much each pixel belongs to each bin. Sums to one over the bins."""
    values = image.flatten(1)  # (N, K)
    low, high = values.detach().amin(dim=1, keepdim=True), values.detach().amax(dim=1, keepdim=True)
    span = torch.where(high > low, high - low, 1)
    # One bin of margin on both sides, so that the windows of the extremes lie inside.
    position = 1 + (values - low) / span * (bins - 3)  # (N, K), from 1 to bins - 2
    centres = torch.arange(bins, dtype=values.dtype, device=values.device)[:, None]  # (bins, 1)
    distance = (position[:, None] - centres).abs()  # (N, bins, K)
    near = 2 / 3 - distance.square() * (1 - distance / 2)
    return torch.where(distance < 1, near, (2 - distance).clamp_min(0) ** 3 / 6)
