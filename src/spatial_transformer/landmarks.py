"""Registration by landmarks: the theta that takes points nearest to given points."""

from typing import Literal, overload

import torch
from torch import Tensor

from . import checks
from .compiling import recorded
from .constants import without_values
from .families import Family
from .families.derivative import slope_of

# Gauss-Newton steps; families that are linear in theta are done after the first.
STEPS = 50
# While it is exported or compiled: all of them are written out, whether they are needed or not.
RECORDED_STEPS = 4


@overload
def fit_points(family: Family, target: Tensor, source: Tensor, *, return_residual: Literal[False] = ...) -> Tensor: ...
@overload
def fit_points(
    family: Family, target: Tensor, source: Tensor, *, return_residual: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def fit_points(
    family: Family, target: Tensor, source: Tensor, *, return_residual: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The theta that takes target points nearest to given source points: registration by landmarks.

    Rotations begin at Kabsch's solution, homographies at that of a normalised linear system, all others at the
    identity; Gauss-Newton steps go on from there, of which families that are linear in theta need one. What the points
    leave open, as fewer of them than parameters do or all on a line, stays as near to that start as can be. `Rigid` and
    `Similarity` turn and never mirror, as landmarks of a mirror image ask for; `Affine` does.

    Args:
        family: the family of transformations.
        target: (N, K, D) normalised points.
        source: (N, K, D) where they should go.
        return_residual: also return how far the points are from where they should go.

    Returns:
        (N, P) parameters of least squared distance, float64; a local minimum where a family is not linear in theta.
        With `return_residual` also the (N,) root mean squared distances.

    Raises:
        ValueError: the points are not (N, K, D), there are none, the shapes differ, or one is NaN or infinite.

    Source: Kabsch (1976) and Umeyama (1991) for rotations, Hartley (1997) for homographies.

    Example:
        >>> from spatial_transformer import Affine
        >>> target = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]]])
        >>> fit_points(Affine(), target, 0.5 * target + 0.25).round(decimals=3).abs().tolist()
        [[0.5, 0.0, 0.25, 0.0, 0.5, 0.25]]
    """
    checks.family(family)
    checks.landmarks(target, source, family.dims)
    target, source = target.detach().double(), source.detach().double()
    with torch.no_grad():
        theta = family.first_fit(target, source)
        for _ in range(_most_steps(theta)):
            better = _gauss_newton(family, theta, target, source)
            if checks.readable(better) and torch.equal(better, theta):
                break
            theta = better
    return (theta, _squared(family, theta, target, source).sqrt()) if return_residual else theta


def _most_steps(theta: Tensor) -> int:
    if without_values(theta):
        return 1
    return RECORDED_STEPS if recorded() or torch.compiler.is_compiling() else STEPS


def _squared(family: Family, theta: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """(N,) mean squared distances."""
    return (family.points(theta, target) - source).square().sum(dim=-1).mean(dim=-1)


def _gauss_newton(family: Family, theta: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """The longest of ever shorter steps that brings each row nearer; rows that none does stay as they are."""
    mapped, slope = slope_of(lambda theta: family.points(theta, target), theta)  # (N, K, D), (N, K D, P)
    step = torch.linalg.pinv(slope) @ (source - mapped).flatten(1)[..., None]  # (N, P, 1)
    least = _squared(family, theta, target, source)
    for length in (1.0, 0.5, 0.25, 0.1, 0.01):
        trial = theta + length * step[..., 0]
        value = _squared(family, trial, target, source)
        nearer = value < least * (1 - 1e-9)  # false for NaN, and where rounding is all that is left
        theta = torch.where(nearer[:, None], trial, theta)
        least = torch.where(nearer, value, least)
        if checks.readable(nearer) and bool(nearer.all()):
            break
        step = torch.where(nearer[:, None, None], 0, step)
    return theta
