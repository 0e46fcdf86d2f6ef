"""How things lie in images: turned, large or small, somewhere. And how much of that a transformer undoes.

A thing and the region that a transformer samples have a pose each. Where the region follows the thing, the thing comes
out in the same pose whatever it went in with. How far it follows is the slope of its pose over the thing's: 1 where all
is undone, 0 where the region stays as it is.
"""

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from spatial_transformer import Family, target_points

# What varies by less, in radians, as a logarithm and in half-widths, cannot be measured, nor need it be undone.
LEAST = {"rotation": math.radians(2), "scale": 0.02, "shift": 0.02}
UNITS = {"rotation": "degrees", "scale": "percent", "shift": "percent of the image"}

PoseSource = Literal["distortion", "boxes"]  # how the poses of things are known


class Pose(NamedTuple):
    """Of N things in images of one size; NaN where something is not known.

    Attributes:
        rotation: (N, 1) radians, clockwise.
        scale: (N, 1) the natural logarithm of how large it is.
        shift: (N, 2) the place of its centre, normalised, x first.
    """

    rotation: Tensor
    scale: Tensor
    shift: Tensor


def pose_of_region(family: Family, theta: Tensor, size: tuple[int, int]) -> Pose:
    """That of the region which (N, P) parameters sample in images of (H, W) pixels."""
    at = target_points((8, 8), dtype=torch.float64).flatten(1, 2)  # (1, 64, 2)
    source = family.points(theta.double(), at)
    return pose_of_matrix(nearest_affine(at, source, torch.ones_like(source[..., 0])), size)


def pose_of_boxes(boxes: Tensor, size: tuple[int, int]) -> Pose:
    """That of (N, 4) boxes, normalised, which do not say how a thing is turned."""
    low, high = boxes.double().unflatten(1, (2, 2)).unbind(1)  # (N, 2)
    sides = (high - low) * torch.tensor(size[::-1])
    return Pose(torch.full_like(sides[:, :1], torch.nan), sides.log().mean(dim=1, keepdim=True), (low + high) / 2)


def pose_of_matrix(matrix: Tensor, size: tuple[int, int]) -> Pose:
    """That of what (N, 2, 3) matrices in normalised coordinates make of an upright frame in images of (H, W) pixels."""
    sides = torch.tensor(size[::-1], dtype=matrix.dtype)
    linear = sides[:, None] * matrix[:, :, :2] / sides  # to scale, so that right angles are right angles
    turn = torch.atan2(linear[:, 1, 0] - linear[:, 0, 1], linear[:, 0, 0] + linear[:, 1, 1])
    return Pose(turn[:, None], torch.linalg.det(linear).abs().log()[:, None] / 2, matrix[:, :, 2])


def nearest_affine(at: Tensor, source: Tensor, weight: Tensor) -> Tensor:
    """(N, 2, 3) matrices that take (1, K, 2) points nearest to (N, K, 2) ones, each counting (N, K) times."""
    ones = torch.cat([at, torch.ones_like(at[..., :1])], dim=-1)  # (1, K, 3)
    weighed = (ones * weight[..., None]).mT  # (N, 3, K)
    return torch.linalg.solve_ex(weighed @ ones, weighed @ source).result.mT


def undone(applied: Pose, found: Pose, source: PoseSource) -> dict[str, dict[str, Any]]:
    """How much of the differences between poses is undone.

    Args:
        applied: of the things.
        found: of the regions that are sampled.
        source: how the first were known.

    Returns:
        For "rotation", "scale" and "shift", as far as things differ in it: "share_percent", the slope of the found over
        the applied; "applied_spread", the standard deviation of the applied, and "remaining_spread", that of what is
        left in what the transformer hands on; their "unit"; "source".
    """
    found = found._replace(rotation=_nearby(found.rotation, applied.rotation))
    measured = {}
    for name, one, other in zip(Pose._fields, applied, found, strict=True):
        known = (one.isfinite() & other.isfinite()).all(dim=1)
        one, other = (values[known] - values[known].mean(dim=0) for values in (one, other))
        if len(one) > 1 and one.std() >= LEAST[name]:
            measured[name] = comparison(name, one, other) | {"source": source}
    return measured


def comparison(name: str, applied: Tensor, found: Tensor) -> dict[str, Any]:
    """What `undone` says of one quantity; both (N, 1) or (N, 2) are counted from what they are on average."""
    spreads = [values.square().mean().sqrt().item() for values in (applied, found - applied)]
    before, after = (_readable(name, spread) for spread in spreads)
    return {
        "share_percent": 100 * ((applied * found).sum() / applied.square().sum()).item(),
        "applied_spread": before,
        "remaining_spread": after,
        "unit": UNITS[name],
    }


def _nearby(found: Tensor, applied: Tensor) -> Tensor:
    """The same angles, whole turns apart, so that on average they are not, and none is by more than half a turn."""
    apart = found - applied
    known = apart[apart.isfinite()]
    mean = torch.atan2(known.sin().sum(), known.cos().sum())
    return applied + mean + torch.remainder(apart - mean + math.pi, 2 * math.pi) - math.pi


def _readable(name: str, spread: float) -> float:
    if name == "rotation":
        return math.degrees(spread)
    return 100 * math.expm1(spread) if name == "scale" else 50 * spread
