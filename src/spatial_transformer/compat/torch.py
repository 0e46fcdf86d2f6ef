"""PyTorch's `affine_grid` and `grid_sample` in their own signatures, on this library's kernels."""

import warnings
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from .acceleration import accelerate

UNSAID = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """`torch.nn.functional.grid_sample`, equal in values, gradients, warnings and errors; faster where it can be.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W), of any dtype and on any device that PyTorch takes.
        grid: (N, H', W', 2) or (N, D', H', W', 3) in PyTorch's normalised coordinates, x first.
        mode: "bilinear" (trilinear in volumes), "nearest", or "bicubic" for images.
        padding_mode: "zeros", "border" or "reflection".
        align_corners: whether -1 and +1 are the centres of the border pixels, or their outer edges; PyTorch warns where
            it is left out, and takes the edges.

    Returns:
        (N, C, H', W') or (N, C, D', H', W').

    Raises:
        ValueError: as PyTorch's, and RuntimeError.

    Example:
        >>> import torch
        >>> image = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
        >>> grid_sample(image, torch.tensor([[[[-0.5, 0.0], [0.0, 0.0]]]]), align_corners=False)
        tensor([[[[0.5000, 1.5000]]]])
    """
    with accelerate():
        return F.grid_sample(input, grid, mode, padding_mode, _said(align_corners))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """`torch.nn.functional.affine_grid`, equal in values, gradients, warnings and errors; faster where it can be.

    Args:
        theta: (N, 2, 3) or (N, 3, 4), target to source.
        size: (N, C, H, W) or (N, C, D, H, W) of the output.
        align_corners: as for `grid_sample`.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3) points in PyTorch's normalised coordinates, x first.

    Raises:
        ValueError: as PyTorch's, and NotImplementedError.

    Example:
        >>> import torch
        >>> affine_grid(torch.eye(2, 3)[None], (1, 1, 1, 2), align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    with accelerate():
        return F.affine_grid(theta, size, _said(align_corners))  # type: ignore[arg-type]  # any sequence does


def _said(align_corners: bool | None) -> bool:
    """PyTorch's warning, at the line that left it unsaid."""
    if align_corners is None:
        warnings.warn(UNSAID, stacklevel=3)
        return False
    return align_corners
