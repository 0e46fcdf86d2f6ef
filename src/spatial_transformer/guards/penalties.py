"""Penalties: what a warp should not do, as numbers to be added to a loss.

Each returns (N,) values, one for each transformation, zero (up to rounding) at the identity, and is differentiable in
theta. They look at the warp on a lattice of target points, not at theta, so that they mean the same for every family. A
weight at which the penalty is a tenth of the loss of the task is a good start.
"""

import math

import torch
from torch import Tensor

from .. import checks
from ..coordinates import FAR_OUTSIDE, target_points
from ..families import Family

# Points along each axis at which a warp is looked at: the middle and between it and the edges.
LATTICE = 5
# Added to areas and scales before their logarithm is taken; the smallest that is told from zero.
SMALLEST = 1e-6


def area_penalty(family: Family, theta: Tensor, *, low: float = 1.0, high: float = 1.0) -> Tensor:
    """How far the area (volume) that a warp reads differs from the area it fills: the cure for zooming out or in.

    Args:
        family: the family of transformations.
        theta: (N, P) parameters.
        low: areas down to this are free; 1 is the area of the target, 0.25 a zoom of two.
        high: areas up to this are free.

    Returns:
        (N,) the mean square of the log area's distance to [log low, log high].

    Raises:
        ValueError: `theta` is not (N, P), or `low` and `high` are not 0 < low <= high.

    Example:
        >>> from spatial_transformer import Attention
        >>> area_penalty(Attention(), torch.tensor([[1.0, 0.5, 0.0], [2.0, 0.0, 0.0]])).round(decimals=4)
        tensor([0.0000, 1.9218])
    """
    area = determinant(family, theta).abs()  # (N, K)
    return _outside_of(area, low, high).square().mean(dim=1)


def scale_penalty(family: Family, theta: Tensor, *, low: float = 1.0, high: float = 1.0) -> Tensor:
    """How far a warp stretches or shrinks in any direction; unlike the area, it sees one axis shrink as another grows.

    Args:
        family: the family of transformations.
        theta: (N, P) parameters.
        low: scales down to this are free; 1 keeps lengths, 0.5 zooms in by two.
        high: scales up to this are free.

    Returns:
        (N,) the mean square of the log scales' distance to [log low, log high]. Scales are the singular values of the
        Jacobian, in normalised units.

    Raises:
        ValueError: `theta` is not (N, P), or `low` and `high` are not 0 < low <= high.

    Example:
        >>> from spatial_transformer import Affine
        >>> scale_penalty(Affine(), torch.tensor([[2.0, 0.0, 0.0, 0.0, 0.5, 0.0]]))
        tensor([0.4805])
    """
    scales = torch.linalg.svdvals(_jacobian(family, theta))  # (N, K, D)
    return _outside_of(scales, low, high).square().mean(dim=(1, 2))


def fold_penalty(family: Family, theta: Tensor, *, margin: float = 0.0) -> Tensor:
    """How much a warp folds over, or mirrors: where the determinant of its Jacobian is negative.

    Args:
        family: the family of transformations.
        theta: (N, P) parameters.
        margin: determinants below this count; a little above zero keeps a distance from folding.

    Returns:
        (N,) the mean of how far determinants lie below `margin`.

    Raises:
        ValueError: `theta` is not (N, P).

    Example:
        >>> from spatial_transformer import Affine
        >>> fold_penalty(Affine(), torch.tensor([[-1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]]))
        tensor([1., 0.])
    """
    return (margin - determinant(family, theta)).clamp_min(0).mean(dim=1)


def identity_penalty(family: Family, theta: Tensor) -> Tensor:
    """How far a warp moves points: keeps it near to doing nothing.

    Args:
        family: the family of transformations.
        theta: (N, P) parameters.

    Returns:
        (N,) the mean of log(1 + squared distance) from each target point to its source, in half-widths of the image.

    Raises:
        ValueError: `theta` is not (N, P).

    Example:
        >>> from spatial_transformer import Translation
        >>> identity_penalty(Translation(), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        tensor([0.0000, 0.6931])
    """
    checks.theta(family, family.parameter_count, theta)
    at = lattice(family, theta)
    return torch.log1p((family.points(theta, at) - at).square().sum(dim=-1)).mean(dim=1)


def outside_penalty(points: Tensor) -> Tensor:
    """How far points leave the image: brings back a warp that reads padding. Unlike the fraction, it has a gradient.

    Args:
        points: (N, ..., D) source points, for instance `family.grid(theta, (8, 8))`.

    Returns:
        (N,) the mean of log(1 + squared distance) from each point to the image, in half-widths of the image.

    Raises:
        ValueError: `points` has fewer than two axes.

    Example:
        >>> outside_penalty(torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]))
        tensor([0.3466])
    """
    beyond = (_batched(points).abs() - 1).clamp_min(0)  # (N, K, D)
    return torch.log1p(beyond.square().sum(dim=-1)).mean(dim=1)


def outside_fraction(points: Tensor) -> Tensor:
    """The share of points outside of the image. A number to watch; its gradient is zero.

    Args:
        points: (N, ..., D) source points, for instance `family.grid(theta, (8, 8))`.

    Returns:
        (N,) shares from 0 to 1; a NaN counts as outside.

    Raises:
        ValueError: `points` has fewer than two axes.

    Example:
        >>> outside_fraction(torch.tensor([[[1.0, 0.0], [2.0, 0.0]]]))
        tensor([0.5000])
    """
    inside = (_batched(points).abs() <= 1).all(dim=-1)  # (N, K); false for NaN
    return 1 - inside.to(points.dtype).mean(dim=1)


def lattice(family: Family, theta: Tensor) -> Tensor:
    """The (1, K, D) target points at which a warp is looked at."""
    points = target_points((LATTICE,) * family.dims, dtype=theta.dtype, device=theta.device)
    return points.flatten(1, -2)


def determinant(family: Family, theta: Tensor) -> Tensor:
    """(N, K) the signed area that a warp reads for each unit of area it fills, at the points of the lattice."""
    return torch.linalg.det(_jacobian(family, theta))


def _jacobian(family: Family, theta: Tensor) -> Tensor:
    checks.theta(family, family.parameter_count, theta)
    return family.jacobian(theta, lattice(family, theta))  # (N, K, D, D)


def _outside_of(value: Tensor, low: float, high: float) -> Tensor:
    """How far the logarithm of a positive value lies outside of [log low, log high]; negative below."""
    if not 0 < low <= high:
        raise ValueError(f"`low` and `high` must be 0 < low <= high; got {low!r} and {high!r}.")
    logarithm = (value + SMALLEST).log()
    return logarithm - logarithm.clamp(math.log(low + SMALLEST), math.log(high + SMALLEST))


def _batched(points: Tensor) -> Tensor:
    checks.point_axis("points", points, points.shape[-1] if points.ndim > 1 else 2)
    if points.ndim < 2:
        raise ValueError(f"`points` must have shape (N, ..., D); got {checks.shape(points)}. Pass `points[None]`.")
    return points[:, None].flatten(1, -2).clamp(-FAR_OUTSIDE, FAR_OUTSIDE)  # (N, K, D)
