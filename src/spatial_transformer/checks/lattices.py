"""Checks of what a family is built from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .arguments import shape, size, tensor
from .coordinates import _coordinates_dtype

# Control points nearer to each other, or to a line or plane, than this part of their extent leave a spline undefined.
CONTROL_APART = 1e-6


def control(value: Sequence[int]) -> tuple[int, ...]:
    """A lattice of control points: (rows, columns) or (depth, rows, columns), two or more along every axis."""
    return size("control", value, at_least=2)


def resolution(value: Sequence[int] | None, control: tuple[int, ...]) -> tuple[int, ...]:
    """The nodes of an internal grid; by default in proportion to the control points."""
    if value is None:
        return tuple(5 * length + 1 for length in control)
    return size("resolution", value, dims=len(control), at_least=2)


def control_points(value: object) -> Tensor:
    """Return (K, D) control points in float64. They must span the plane or the space, and no two may coincide."""
    points = torch.as_tensor(value).detach().to(dtype=torch.float64, device="cpu")
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"`control` points must have shape (K, 2) or (K, 3), x first; got {shape(points)}.")
    count, dims = points.shape
    if count <= dims:
        raise ValueError(f"`control` must hold at least {dims + 1} points in {dims}D; got {count}, which is too few.")
    if not bool(points.isfinite().all()):
        raise ValueError("`control` points must be finite; got NaN or infinity.")
    apart = torch.cdist(points, points).fill_diagonal_(torch.inf)
    if apart.min() <= CONTROL_APART * apart[apart.isfinite()].max():
        first, second = (int(index) for index in (apart == apart.min()).nonzero()[0])
        raise ValueError(
            f"`control` points {first} and {second} are coincident, {float(apart.min()):.3g} apart: "
            f"{points[first].tolist()}. No warp can send one point to two places; keep one of them."
        )
    widths = torch.linalg.svdvals(points - points.mean(dim=0))
    if widths[-1] < CONTROL_APART * widths[0]:
        what = "collinear" if dims == 2 or widths[1] < CONTROL_APART * widths[0] else "coplanar"
        raise ValueError(
            f"the `control` points are {what}: they say nothing about what happens away from that "
            f"{'line' if what == 'collinear' else 'plane'}. Add a point elsewhere."
        )
    return points


def exact_enough(family: object, rounding: float, largest: float) -> None:
    """Whether a theta in float32 says well enough where points go; `rounding` is how far its own moves them."""
    if rounding > largest:
        raise ValueError(
            f"`theta` must be float64 for `{family}`; got float32, whose rounding moves points by up to "
            f"{128 * rounding:.2g} pixels at a width of 256, because the `control` points lie so near to a line, or to "
            "each other. Pass `theta.double()`, computed in float64; or move a control point away, or set `stiffness`."
        )


def flow(value: Tensor, size: tuple[int, ...]) -> None:
    tensor("flow", value)
    dims = len(size)
    if value.ndim != 2 + dims or tuple(value.shape[1:]) != (dims, *size):
        repair = ""
        if value.ndim == 2 + dims and value.shape[-1] == dims:
            repair = " Channels come first: `flow.movedim(-1, 1)`."
        elif tuple(value.shape) == (dims, *size):
            repair = " Pass `flow[None]` for a batch of one."
        wanted = ", ".join(map(str, (dims, *size)))
        raise ValueError(f"`flow` must have shape (N, {wanted}), channels x first; got {shape(value)}.{repair}")
    _coordinates_dtype("flow", value)


def basis(value: object, dims: int | None, *, learnable: bool) -> int:
    """Return the dimension of a basis: of images (F, *size), or of a function, for which `dims` says it."""
    if isinstance(value, Tensor):
        if value.ndim not in (3, 4) or min(value.shape) < 1:
            raise ValueError(f"`basis` images must have shape (F, H, W) or (F, D, H, W); got {shape(value)}.")
        if not value.is_floating_point():
            raise TypeError(f"`basis` images must be floating-point; got {value.dtype}. Pass `basis.float()`.")
        if dims not in (None, value.ndim - 1):
            raise ValueError(f"`dims` must be that of `basis`, {value.ndim - 1}; got {dims}. Leave it out.")
        return value.ndim - 1
    if not callable(value):
        raise TypeError(f"`basis` must be a tensor of images, or a function of points; got {type(value).__name__}.")
    if learnable:
        raise ValueError(
            "`learnable=True` goes with a tensor of basis images. A function learns what it holds: pass an nn.Module."
        )
    if dims not in (None, 2, 3):
        raise ValueError(f"`dims` of `Structured` must be 2 or 3; got {dims!r}.")
    return 2 if dims is None else dims


def basis_values(value: object, shape_before: tuple[int, ...]) -> int:
    """Return F, the number of values that a basis function returns for a point."""
    if not isinstance(value, Tensor) or value.ndim == 0 or tuple(value.shape[:-1]) != shape_before:
        got = shape(value) if isinstance(value, Tensor) else type(value).__name__
        wanted = ", ".join(map(str, shape_before))
        raise ValueError(f"`basis` must take points (..., D) to values (..., F), here ({wanted}, F); got {got}.")
    return value.shape[-1]
