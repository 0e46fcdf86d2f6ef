"""Checks of what the converters are given, and their messages."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import checks


def arguments(
    matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int], *, dims: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...], Tensor]:
    """Check the arguments of a converter: the two sizes as tuples, and the matrix as a homogeneous one."""
    source = checks.size("source_size", source_size, dims=dims)
    target = checks.size("target_size", target_size, dims=len(source))
    return source, target, checks.matrix(matrix, len(source))


def affine_matrix(consumer: str, value: Tensor) -> Tensor:
    """Return (N, D+1, D+1) matrices divided so that their last rows are 0 ... 0 1, as `consumer` expects."""
    last = value[:, -1, -1]  # (N,)
    if checks.readable(value) and bool((last == 0).any()):
        raise ValueError(
            f"`matrix` must be affine for `{consumer}`, its last row 0 ... 0 1; got a last entry of 0 in matrix "
            f"{int((last == 0).nonzero()[0])}. A homography goes to `to_opencv`, `to_skimage` or `to_kornia`."
        )
    value = value / value[:, -1:, -1:]
    if checks.readable(value) and bool((value[:, -1, :-1].abs() > 1e-6).any()):
        raise ValueError(
            f"`matrix` must be affine for `{consumer}`, its last row 0 ... 0 1; got {value[:, -1].tolist()}. A "
            "homography goes to `to_opencv`, `to_skimage` or `to_kornia`."
        )
    return value


def one_convention(matrix: Tensor, align_corners: bool) -> None:
    """Kornia's `homography_warp3d` has -1 and +1 at the centres of the target's border pixels in any case."""
    if matrix.shape[-1] == 4 and not align_corners:
        raise ValueError(
            "`align_corners` must be True for volumes, because Kornia's `homography_warp3d` mixes conventions without "
            f"it; got {align_corners!r}. Pass True here and there."
        )


def inverse(
    matrix: Tensor,
    name: str = "matrix",
    repair: str = "It collapses the image to a line or a point: keep every scale away from zero.",
) -> Tensor:
    """(N, D+1, D+1) matrices that lead the other way; a singular one is an error."""
    result, info = torch.linalg.inv_ex(matrix)  # info (N,) is zero where the factorisation went through
    if checks.readable(info) and bool(info.any()):
        raise ValueError(
            f"`{name}` must be invertible; matrix {int(info.nonzero()[0])} has no inverse, got "
            f"{matrix[int(info.nonzero()[0])].tolist()}. {repair}"
        )
    return result


def numbers(name: str, value: Sequence[float], count: int, *, positive: bool = False) -> tuple[float, ...]:
    """Return `count` finite numbers, one for each axis (or pair of axes), x first."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
        raise ValueError(f"`{name}` must hold {count} numbers, x first; got {value!r}.")
    result = tuple(float(number) for number in value)
    if not all(math.isfinite(number) and (number > 0 or not positive) for number in result):
        raise ValueError(f"`{name}` must hold {'positive' if positive else 'finite'} numbers; got {result}.")
    return result
