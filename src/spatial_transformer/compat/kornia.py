"""Kornia's `warp_affine` and `warp_perspective` in their own signatures, on this library's kernels.

Needs Kornia to be installed: what is not faster here is handed to its functions, whose `grid_sample` is then ours.
"""

from typing import Any

import torch
from torch import Tensor

from .. import converters
from ..families import Affine, Projective
from ..warping import warp
from . import speed
from .acceleration import accelerate


def warp_affine(
    src: Tensor,
    M: Tensor,  # noqa: N803  # as Kornia calls it
    dsize: tuple[int, int],
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = True,
    fill_value: Tensor | None = None,
) -> Tensor:
    """`kornia.geometry.transform.warp_affine`, equal in values and gradients; faster where it can be.

    Args:
        src: (B, C, H, W).
        M: (B, 2, 3), or (1, 2, 3) for all, from the source to the target, in pixels, x first.
        dsize: (height, width) of the output.
        mode: as `grid_sample` takes it.
        padding_mode: as there, or "fill".
        align_corners: as there; does not change what M means.
        fill_value: that surrounds the image with padding_mode "fill".

    Returns:
        (B, C, *dsize).

    Raises:
        ValueError: as Kornia's, and TypeError.
        ModuleNotFoundError: Kornia is not installed.

    Example:
        >>> image = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> warp_affine(image, torch.tensor([[[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]]), (1, 2)).round(decimals=5)
        tensor([[[[1., 2.]]]])
    """
    if speed.warps_faster(src, M, (2, 3), dsize, mode, padding_mode):
        matrix = _target_to_source(src, M, dsize)
        if matrix is not None:
            return warp(src, Affine(), Affine().from_matrix(matrix), dsize, mode=mode, padding=padding_mode)
    with accelerate():
        return _kornia().warp_affine(src, M, dsize, mode, padding_mode, align_corners, fill_value)


def warp_perspective(
    src: Tensor,
    M: Tensor,  # noqa: N803
    dsize: tuple[int, int],
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = True,
    fill_value: Tensor | None = None,
) -> Tensor:
    """`kornia.geometry.transform.warp_perspective`, equal in values and gradients; faster where it can be.

    Args:
        src: (B, C, H, W).
        M: (B, 3, 3), from the source to the target, in pixels, x first.
        dsize: (height, width) of the output.
        mode: as for `warp_affine`.
        padding_mode: as there.
        align_corners: as there.
        fill_value: as there.

    Returns:
        (B, C, *dsize).

    Raises:
        ValueError: as Kornia's, and TypeError.
        ModuleNotFoundError: Kornia is not installed.

    Example:
        >>> image = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> shift = torch.tensor([[[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> warp_perspective(image, shift, (1, 2)).round(decimals=5)
        tensor([[[[1., 2.]]]])
    """
    if speed.warps_faster(src, M, (3, 3), dsize, mode, padding_mode):
        matrix = _target_to_source(src, M, dsize)
        if matrix is not None and _all_in_front(matrix):
            return warp(src, Projective(), Projective().from_matrix(matrix), dsize, mode=mode, padding=padding_mode)
    with accelerate():
        return _kornia().warp_perspective(src, M, dsize, mode, padding_mode, align_corners, fill_value)


def _target_to_source(src: Tensor, matrix: Tensor, dsize: tuple[int, int]) -> Tensor | None:
    """(B, 3, 3) in this library's convention; None if one has no inverse, of which Kornia makes what it will."""
    try:
        found = converters.from_kornia(matrix, src.shape[2:], dsize)
    except ValueError:
        return None
    return found if bool(found.isfinite().all()) else None


def _all_in_front(matrix: Tensor) -> bool:
    """Whether no horizon passes through a target; Kornia shows what lies behind one, upside down."""
    corners = torch.tensor([[x, y, 1.0] for x in (-1, 1) for y in (-1, 1)], dtype=matrix.dtype)  # (4, 3)
    weights = corners @ matrix[:, 2, :, None]  # (B, 4, 1)
    return bool(((weights > 0).all(dim=1) | (weights < 0).all(dim=1)).all())


def _kornia() -> Any:
    try:
        from kornia.geometry import transform
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "`compat.kornia` stands in for Kornia, which is not installed: pip install kornia", name="kornia"
        ) from error
    return transform
