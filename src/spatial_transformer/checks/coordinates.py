"""Checks of thetas, points and matrices."""

import torch
from torch import Tensor

from .arguments import shape, tensor
from .values import readable


def _coordinates_dtype(name: str, value: Tensor) -> None:
    if value.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"`{name}` must be float32 or float64, because coordinates in less would be off by pixels; got "
            f"{value.dtype}. Pass `{name}.float()`; the image may stay as it is."
        )


def coordinates_dtype(value: torch.dtype) -> torch.dtype:
    if value not in (torch.float32, torch.float64):
        raise TypeError(f"`dtype` must be float32 or float64, because coordinates in less would be off; got {value}.")
    return value


def theta(family: object, count: int, value: Tensor) -> None:
    """`value` must be a flat (N, P) tensor for `family`, which is only printed."""
    tensor("theta", value)
    if value.ndim != 2 or value.shape[1] != count:
        repair = ""
        if value.ndim == 3:
            repair = " Pass `family.from_matrix(theta)`."
        elif value.ndim == 1 and value.shape[0] == count:
            repair = " Pass `theta[None]` for a batch of one."
        raise ValueError(f"`theta` must have shape (N, {count}) for `{family}`; got {shape(value)}.{repair}")
    _coordinates_dtype("theta", value)


def point_axis(name: str, value: Tensor, dims: int) -> None:
    """The last axis of `value` must hold `dims` floating-point coordinates."""
    tensor(name, value)
    if value.ndim == 0 or value.shape[-1] != dims:
        raise ValueError(
            f"the last axis of `{name}` must hold {dims} coordinates ({', '.join('xyz'[:dims])}); "
            f"got shape {shape(value)}."
        )
    _coordinates_dtype(name, value)


def points_of_batch(points: Tensor, dims: int, batch: int) -> Tensor:
    """Return points with a batch axis in front: (1, ..., D) where they are shared, (N, ..., D) where they are not."""
    point_axis("points", points, dims)
    has_batch_axis = points.ndim >= 3 and points.shape[0] in (1, batch)
    return points if has_batch_axis else points[None]


def angle(value: Tensor) -> None:
    tensor("angle", value)
    if value.ndim != 1 and (value.ndim != 2 or value.shape[1] != 3):
        raise ValueError(f"`angle` must have shape (N,), or (N, 3) for axis-angle in 3D; got {shape(value)}.")
    _coordinates_dtype("angle", value)


def vectors(name: str, value: Tensor) -> None:
    tensor(name, value)
    if value.ndim != 2 or value.shape[1] not in (2, 3):
        raise ValueError(f"`{name}` must have shape (N, 2) or (N, 3), x first; got {shape(value)}.")
    _coordinates_dtype(name, value)


def landmarks(target: Tensor, source: Tensor, dims: int) -> None:
    """Pairs of points, (N, K, D) each, at least one of them, all finite."""
    for name, value in (("target", target), ("source", source)):
        tensor(name, value)
        if value.ndim != 3 or value.shape[2] != dims:
            repair = f" Pass `{name}[None]` for a batch of one." if value.ndim == 2 else ""
            raise ValueError(f"`{name}` must hold points (N, K, {dims}), x first; got {shape(value)}.{repair}")
    if target.shape != source.shape:
        raise ValueError(
            f"`target` and `source` must have one shape, (N, K, {dims}), a source point for each target point; got "
            f"{shape(target)} and {shape(source)}. Leave out points that have no partner."
        )
    if not target.shape[1]:
        raise ValueError(
            f"`target` must hold at least one point for each image; got {shape(target)}. With none, the transformation "
            "is anybody's guess: take `family.identity(batch)`."
        )
    for name, value in (("target", target), ("source", source)):
        if readable(value) and not bool(value.isfinite().all()):
            row, point, _ = (int(place) for place in (~value.isfinite()).nonzero()[0])
            raise ValueError(
                f"`{name}` must hold finite points; got {value[row, point].tolist()} at [{row}, {point}]. Leave out "
                "pairs of points of which one is missing."
            )


def four_points(name: str, value: Tensor) -> None:
    tensor(name, value)
    if value.ndim != 3 or tuple(value.shape[1:]) != (4, 2):
        raise ValueError(f"`{name}` must have shape (N, 4, 2), x first; got {shape(value)}.")
    _coordinates_dtype(name, value)


def in_general_position(start: Tensor, info: Tensor) -> None:
    """`info` (N,) is zero where four points, (N, 4, 2), say a homography."""
    if readable(info) and bool(info.any()):
        row = int(info.nonzero()[0])
        raise torch.linalg.LinAlgError(
            f"no three of the points of `start` may lie on a line; got {start[row].tolist()} in `start[{row}]`. Choose "
            "the corners of a quadrilateral."
        )


def matrix(value: Tensor, dims: int) -> Tensor:
    """Return (N, D, D+1) or (N, D+1, D+1) matrices as homogeneous ones, (N, D+1, D+1)."""
    tensor("matrix", value)
    if value.ndim != 3 or tuple(value.shape[1:]) not in ((dims, dims + 1), (dims + 1, dims + 1)):
        repair = " Pass `matrix[None]` for a batch of one." if value.ndim == 2 else ""
        raise ValueError(
            f"`matrix` must have shape (N, {dims}, {dims + 1}) or (N, {dims + 1}, {dims + 1}); "
            f"got {shape(value)}.{repair}"
        )
    _coordinates_dtype("matrix", value)
    if value.shape[1] == dims + 1:
        return value
    last_row = value.new_zeros(1, 1, dims + 1)
    last_row[..., -1] = 1
    return torch.cat([value, last_row.expand(value.shape[0], 1, dims + 1)], dim=1)


def matrix_in_family(family: object, expected: Tensor, got: Tensor) -> None:
    """`got` must be what the family can express; `expected` is the member of the family read from it."""
    if not readable(got):
        return
    error = (expected - got).abs().amax().item() if got.numel() else 0.0
    if not error <= 1e-4 * max(1.0, got.abs().amax().item() if got.numel() else 1.0):
        raise ValueError(
            f"`matrix` is not a transformation of `{family}`: the nearest reading is off by {error:.3g}. "
            "Use a family that holds it, `Affine` or `Projective`."
        )


def horizon(family: object, value: Tensor) -> None:
    """(N, D+1, D+1) homographies must show the side of their horizon on which the centre of the target lies.

    They are multiplied so that their last entry is 1, which makes that side the front. That is no restriction where the
    whole target lies on one side. Where the horizon crosses it, the source must be seen from the centre's side.
    """
    if not readable(value) or not value.numel():
        return
    last = value[:, -1].detach()  # (N, D+1)
    on = last[:, -1].abs() <= 1e-6 * last.abs().amax(dim=1)  # (N,)
    if bool(on.any()):
        raise ValueError(
            f"`matrix[{int(on.nonzero()[0])}]` cannot be held by `{family}`: its horizon passes through the centre of "
            "the target, so its last entry is 0 and cannot be made 1. Warp to a target, or a part of it, whose centre "
            "is not on the horizon."
        )
    crossed = last[:, -1].abs() <= last[:, :-1].abs().sum(dim=1)
    sign = last[:, -1].sign() * torch.linalg.det(value[:, :-1, :-1].detach()).sign()
    hidden = crossed & (sign * torch.linalg.det(value.detach()).sign() < 0)
    if bool(hidden.any()):
        raise ValueError(
            f"`matrix[{int(hidden.nonzero()[0])}]` cannot be held by `{family}`: the centre of the target lies beyond "
            "the horizon, from where the source is not seen, and all would read as padding. Warp to the part of the "
            "target in front of the horizon."
        )


def invertible(family: object, info: Tensor) -> None:
    """`info` (N,) is zero where the factorisation of the matrix went through."""
    if readable(info) and bool(info.any()):
        rows, have, their = _rows(info != 0)
        raise ValueError(
            f"{rows} {have} no inverse: {their} `{family}` matrix is singular, the warp collapses the image. Keep the "
            "scale away from zero, or leave these rows out."
        )


def inverted(family: object, missed: Tensor, determinant: Tensor, tolerance: float) -> None:
    """`missed` (N, K, D) is how far the points found are from their goals, `determinant` (N, K) that of the slope."""
    if not readable(missed):
        return
    lost = ~(missed.abs().amax(dim=-1) <= tolerance)  # (N, K); NaN is lost
    if bool(lost.any()):
        rows, have, _ = _rows(lost.any(dim=1))
        raise ValueError(
            f"{rows} {have} no inverse at {int(lost.sum())} of {lost[lost.any(dim=1)].numel()} points: no target point "
            f"was found that `{family}` takes to within {tolerance:g} of them. The warp folds, or reaches nothing "
            "there; `folds` says where. Move theta towards the identity, or ask for fewer points."
        )
    folded = ((determinant > 0).any(dim=1) & (determinant < 0).any(dim=1)) | (determinant == 0).any(dim=1)  # (N,)
    if bool(folded.any()):
        rows, have, their = _rows(folded)
        raise ValueError(
            f"{rows} {have} no inverse: {their} `{family}` warp folds, and the points that were found lie on both "
            "sides of the fold. `folds` says where. Move theta towards the identity."
        )


def _rows(which: Tensor) -> tuple[str, str, str]:
    """(N,) booleans to the names of those rows, and the words that agree with one or several."""
    rows = which.nonzero().flatten().tolist()
    more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
    named = ", ".join(f"theta[{row}]" for row in rows[:8]) + more
    return (named, "has", "its") if len(rows) == 1 else (named, "have", "their")
