"""Registration by landmarks: the theta that takes points nearest to given points."""

from typing import Literal, overload

import torch
from torch import Tensor

from . import checks
from .families import Family, Projective, Rigid, Similarity
from .matrices import translation_matrix

# Gauss-Newton steps; families that are linear in theta are done after the first.
STEPS = 50


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
    leave open, as fewer of them than parameters do, stays as near to that start as can be.

    Args:
        family: the family of transformations.
        target: (N, K, D) normalised points.
        source: (N, K, D) where they should go.
        return_residual: also return how far the points are from where they should go.

    Returns:
        (N, P) parameters of least squared distance, float64; a local minimum where a family is not linear in theta.
        With `return_residual` also the (N,) root mean squared distances.

    Raises:
        ValueError: the shapes differ.

    Source: Kabsch (1976) and Umeyama (1991) for rotations, Hartley (1997) for homographies.

    Example:
        >>> from spatial_transformer import Affine
        >>> target = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]]])
        >>> fit_points(Affine(), target, 0.5 * target + 0.25).round(decimals=3).abs().tolist()
        [[0.5, 0.0, 0.25, 0.0, 0.5, 0.25]]
    """
    if target.shape != source.shape:
        raise ValueError(
            f"`target` and `source` must have one shape, (N, K, {family.dims}); got {checks.shape(target)} and "
            f"{checks.shape(source)}."
        )
    target, source = target.detach().double(), source.detach().double()
    with torch.no_grad():
        theta = _start(family, target, source)
        for _ in range(STEPS):
            better = _gauss_newton(family, theta, target, source)
            if torch.equal(better, theta):
                break
            theta = better
    return (theta, _squared(family, theta, target, source).sqrt()) if return_residual else theta


def _squared(family: Family, theta: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """(N,) mean squared distances."""
    return (family.points(theta, target) - source).square().sum(dim=-1).mean(dim=-1)


def _gauss_newton(family: Family, theta: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """The longest of ever shorter steps that brings each row nearer; rows that none does stay as they are."""
    mapped, pull_back = torch.func.vjp(lambda theta: family.points(theta, target), theta)[:2]  # (N, K, D)
    each = torch.eye(mapped[0].numel(), dtype=mapped.dtype, device=mapped.device)  # one of K D outputs at a time
    rows = each.unflatten(1, mapped.shape[1:])[:, None].expand(-1, *mapped.shape)  # (K D, N, K, D)
    slope = torch.func.vmap(lambda row: pull_back(row)[0])(rows).movedim(0, 1)  # (N, K D, P)
    step = torch.linalg.pinv(slope) @ (source - mapped).flatten(1)[..., None]  # (N, P, 1)
    least = _squared(family, theta, target, source)
    for length in (1.0, 0.5, 0.25, 0.1, 0.01):
        trial = theta + length * step[..., 0]
        value = _squared(family, trial, target, source)
        nearer = value < least * (1 - 1e-9)  # false for NaN, and where rounding is all that is left
        theta = torch.where(nearer[:, None], trial, theta)
        least = torch.where(nearer, value, least)
        if bool(nearer.all()):
            break
        step = torch.where(nearer[:, None, None], 0, step)
    return theta


def _start(family: Family, target: Tensor, source: Tensor) -> Tensor:
    identity = family.identity(len(target), dtype=torch.float64, device=target.device)
    if isinstance(family, Rigid | Similarity) and target.shape[1]:
        return _turn(family, target, source)
    if isinstance(family, Projective) and target.shape[1] >= family.dims + 2:
        return _homography(family, identity, target, source)
    return identity


def _turn(family: Rigid | Similarity, target: Tensor, source: Tensor) -> Tensor:
    """The rotation, and scale, of least squared distance in a frame where all axes have one unit."""
    lengths = target.new_tensor(family.extent)  # (D,)
    a, b = target * lengths, source * lengths
    a_centre, b_centre = a.mean(dim=1, keepdim=True), b.mean(dim=1, keepdim=True)  # (N, 1, D)
    a, b = a - a_centre, b - b_centre
    u, s, vh = torch.linalg.svd(b.mT @ a)  # (N, D, D), (N, D)
    signs = torch.ones_like(s)
    # No rotation mirrors; in a volume a negative scale does.
    sign = torch.linalg.det(u @ vh).sign()  # (N,)
    mirrors = isinstance(family, Similarity) and family.dims == 3
    if not mirrors:
        signs[:, -1] = sign
    linear = u * signs[:, None] @ vh  # (N, D, D)
    if isinstance(family, Similarity):
        spread = a.square().sum(dim=(1, 2))
        scale = torch.where(spread > 0, (s * signs).sum(dim=1) / torch.where(spread > 0, spread, 1), 1)
        linear = linear * scale[:, None, None]
    shift = (b_centre[:, 0, :, None] - linear @ a_centre.mT)[..., 0] / lengths  # (N, D)
    matrix = translation_matrix(shift)
    matrix[:, :-1, :-1] = linear * lengths / lengths[:, None]
    return family._read(matrix)


def _homography(family: Projective, identity: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """The null vector of the linear system, between points moved and scaled to unit spread; or the identity."""
    there, a = _normalised(target)
    back, b = _normalised(source)
    dims = target.shape[-1]
    homogeneous = torch.cat([a, torch.ones_like(a[..., :1])], dim=-1)  # (N, K, D+1)
    zero = torch.zeros_like(homogeneous)
    rows = [
        torch.cat([homogeneous if i == d else zero for i in range(dims)] + [-b[..., d, None] * homogeneous], dim=-1)
        for d in range(dims)
    ]
    system = torch.cat(rows, dim=1)  # (N, D K, (D+1)^2)
    solution = torch.linalg.svd(system, full_matrices=True)[2][:, -1]
    matrix = torch.linalg.inv(back) @ solution.unflatten(1, (dims + 1, dims + 1)) @ there
    theta = family._read(matrix)
    nearer = _squared(family, theta, target, source) < _squared(family, identity, target, source)
    return torch.where(nearer[:, None], theta, identity)


def _normalised(points: Tensor) -> tuple[Tensor, Tensor]:
    """The (N, D+1, D+1) matrix that gives points mean zero and unit spread, and the (N, K, D) points so."""
    centre = points.mean(dim=1)  # (N, D)
    spread = (points - centre[:, None]).square().sum(dim=-1).mean(dim=1).sqrt()  # (N,)
    scale = 1 / torch.where(spread > 0, spread, 1)
    matrix = translation_matrix(-centre * scale[:, None])
    matrix[:, :-1, :-1] *= scale[:, None, None]
    return matrix, (points - centre[:, None]) * scale[:, None, None]
