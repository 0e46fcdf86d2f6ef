"""Several images laid on one another: each on the one before, and both ways for a check."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..coordinates import target_points
from ..families import Family, MatrixFamily
from .register import Registration, register


@dataclass(frozen=True)
class Chain:
    """What `register_chain` found.

    Attributes:
        theta: (N, P) that lay every image on the first: `warp(images, family, theta)` all show what that one shows.
        steps: the registrations of each image, from the second, with the one before.
    """

    theta: Tensor
    steps: Registration


def register_chain(images: Tensor, family: MatrixFamily, **options: Any) -> Chain:
    """Lay a series of images (a stack of slides, a film) on its first, each by way of the one before.

    Args:
        images: (N, C, H, W) or (N, C, D, H, W), in their order.
        family: of matrices, as the steps are composed.
        **options: for `register`.

    Returns:
        Every image's theta, and the steps with their verdicts. Where one of them failed, all that follow are off.

    Raises:
        TypeError: a family that is none of matrices.
        ValueError: as `register`.

    Example:
        >>> from spatial_transformer import Translation, target_points, warp
        >>> first = torch.exp(-20 * target_points((32, 32)).square().sum(dim=-1))[None]
        >>> images = warp(first, Translation(), torch.tensor([[0.0, 0.0], [0.2, 0.0], [0.4, 0.1]]))
        >>> register_chain(images, Translation()).theta.round(decimals=2) + 0.0
        tensor([[ 0.0000,  0.0000],
                [-0.2000,  0.0000],
                [-0.4000, -0.1000]])
    """
    checks.family(family)
    if not isinstance(family, MatrixFamily):
        raise TypeError(f"`family` must be one of matrices, so that steps can be composed; got `{family}`.")
    checks.image(images, family.dims)
    steps = register(images[1:], images[:-1], family, **options)
    thetas = [family.identity(min(1, len(images))).to(steps.theta)]
    for step in steps.theta:  # points of the first image to the one before, and from there to this one
        thetas.append(family.compose(thetas[-1], step[None]))
    return Chain(torch.cat(thetas), steps)


def inconsistency(family: Family, forth: Tensor, back: Tensor, fixed: Tensor) -> Tensor:
    """How far points are from where they began, after a registration and that of the same images swapped.

    Args:
        family: the family of transformations.
        forth: (N, P) of `register(moving, fixed, family)`.
        back: (N, P) of `register(fixed, moving, family)`.
        fixed: (N, C, ...), whose pixels are the unit.

    Returns:
        (N,) the mean distance in pixels of `fixed`, over a lattice of its points that lie within both images.

    Raises:
        ValueError: thetas that do not fit.

    Example:
        >>> from spatial_transformer import Translation
        >>> forth, back = torch.tensor([[0.5, 0.0]]), torch.tensor([[-0.4, 0.0]])
        >>> inconsistency(Translation(), forth, back, torch.rand(1, 1, 20, 20))
        tensor([1.0000])
    """
    at = target_points((9,) * family.dims, dtype=forth.dtype, device=forth.device)
    there = family.points(forth, at)
    inside = (there.abs() <= 1).all(dim=-1)  # (N, ...)
    half = at.new_tensor(fixed.shape[:1:-1]) / 2
    apart = ((family.points(back, there) - at) * half).norm(dim=-1)
    return torch.where(inside, apart, 0).flatten(1).sum(dim=1) / inside.flatten(1).sum(dim=1)
