"""Intensities that registration compares: without a unit, and, if light is uneven, without what varies slowly."""

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 7  # pixels of a level: what varies over more is light, what varies over less is what the image shows
FLAT = 0.3  # where the local deviation is less than this part of the mean one, noise is all there is


def standardised(image: Tensor, mask: Tensor | None) -> Tensor:
    """An (N, C, *size) image around 0 and of unit deviation, over the pixels that count: (N, 1, *size), or None."""
    mean, deviation = moments(image, mask)
    return (image - mean) / deviation


def moments(image: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation over all channels and pixels that count, (N, 1, ...); 1 for the deviation of one colour."""
    dims = tuple(range(1, image.ndim))
    weight = torch.ones_like(image[:, :1]) if mask is None else mask
    image = torch.where(weight > 0, image, 0)
    count = (weight.sum(dim=dims, keepdim=True) * image.shape[1]).clamp_min(1e-6)
    mean = (image * weight).sum(dim=dims, keepdim=True) / count
    # In units of the largest, as squares of small numbers vanish and those of large ones overflow.
    largest = ((image - mean) * (weight > 0)).abs().amax(dim=dims, keepdim=True)
    unit = torch.where(largest > 0, largest, 1)
    variance = (((image - mean) / unit).square() * weight).sum(dim=dims, keepdim=True) / count
    return mean, torch.where(variance > 0, variance.sqrt() * unit, 1)


def locally_normalised(image: Tensor, mask: Tensor | None) -> Tensor:
    """Minus the local mean, over the local deviation: blind to gain and offset that vary over the image.

    Args:
        image: (N, C, *size) of unit deviation.
        mask: (N, 1, *size) or None.
    """
    weight = torch.ones_like(image[:, :1]) if mask is None else mask
    share = _window_mean(weight)
    share = torch.where(share > 1e-6, share, 1)
    apart = (image - _window_mean(image * weight) / share) * weight
    variance = _window_mean(apart.square()) / share
    mean = variance.mean(dim=tuple(range(1, image.ndim)), keepdim=True)
    floor = torch.where(mean > 0, FLAT**2 * mean, 1)
    return apart / (variance.clamp_min(0) + floor).sqrt()


def _window_mean(image: Tensor) -> Tensor:
    """The mean of a window that falls off linearly, along one axis after the other; less near the border."""
    if not image.numel():
        return image
    for axis in range(2, image.ndim):
        lines = image.movedim(axis, -1)
        pooled = lines.flatten(0, -2)[None]
        for _ in range(2):
            pooled = F.avg_pool1d(pooled, 2 * RADIUS + 1, 1, RADIUS, count_include_pad=False)
        image = pooled.reshape(lines.shape).movedim(-1, axis)
    return image
