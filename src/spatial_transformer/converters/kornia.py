"""Kornia: `warp_affine`, `warp_perspective`, their 3D forms, and `homography_warp`."""

from collections.abc import Sequence

from torch import Tensor

from .arguments import arguments, inverse, one_convention
from .pixels import from_pixel_matrix, to_pixel_matrix
from .torch_affine_grid import from_centres, to_centres


def to_kornia(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Our matrix to Kornia's: pixels, x first, from the **source to the target**, 0 at the centre of the first pixel.

    `warp_perspective(image, m, target_size)` takes `to_kornia(...)`, `warp_affine` the same without its last row, and
    so do `warp_perspective3d` and `warp_affine3d`. Their flag `align_corners` does not change what such a matrix means,
    nor the picture, save with `padding_mode="reflection"`, which is ours with `align_corners=False`. That holds for
    images from Kornia 0.9 on; for volumes, and before, only `align_corners=True` is free of half-pixel errors.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, Kornia's `dsize`.

    Returns:
        (N, D+1, D+1) matrices, source to target, pixels.

    Raises:
        ValueError: a shape is another, or a matrix has no inverse.

    Example:
        >>> import torch
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> to_kornia(half, (8, 8), (4, 4))[:, :-1]  # for warp_affine
        tensor([[[ 1.,  0., -2.],
                 [ 0.,  1., -2.]]])
    """
    return inverse(to_pixel_matrix(matrix, source_size, target_size))


def from_kornia(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Kornia's matrix between pixels, such as `get_perspective_transform` returns, to ours.

    Args:
        matrix: (N, D, D+1) or (N, D+1, D+1), **source to target**, pixels, x first; 0 is the centre of the first pixel.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, Kornia's `dsize`.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, or a matrix has no inverse.

    Example:
        >>> import torch
        >>> shift = torch.tensor([[[1.0, 0.0, -2.0], [0.0, 1.0, -2.0]]])
        >>> from_kornia(shift, (8, 8), (4, 4))[:, :-1]
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    return from_pixel_matrix(inverse(matrix), source_size, target_size)


def to_kornia_homography(
    matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int], *, align_corners: bool
) -> Tensor:
    """Our matrix to that of `homography_warp`: normalised, x first, **target to source**.

    `homography_warp(image, m, target_size, align_corners=...)` takes it, and so does `homography_warp3d`. With
    `align_corners=False`, their default, the matrix stays as it is: -1 and +1 are the outer edges of the image. With
    `align_corners=True` they are the centres of the border pixels. In volumes use the latter: without it Kornia 0.9
    counts the target in one way and the source in the other.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, Kornia's `dsize`.
        align_corners: Kornia's flag, as it will be given to `homography_warp`.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised as Kornia does.

    Raises:
        ValueError: a shape is another, or `align_corners=True` for a source with a single pixel along an axis,
            or `align_corners=False` for volumes.

    Example:
        >>> import torch
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> to_kornia_homography(half, (8, 8), (4, 4), align_corners=False)
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000],
                 [0.0000, 0.0000, 1.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    one_convention(matrix, align_corners)
    return to_centres(matrix, source_size, target_size) if align_corners else matrix


def from_kornia_homography(
    matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int], *, align_corners: bool
) -> Tensor:
    """The homography of `homography_warp` to our matrix.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), **target to source**, normalised as Kornia does, x first.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, Kornia's `dsize`.
        align_corners: Kornia's flag, as `homography_warp` was given it.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, or `align_corners=True` for a target with a single pixel along an axis,
            or `align_corners=False` for volumes.

    Example:
        >>> import torch
        >>> from_kornia_homography(torch.eye(3)[None], (8, 8), (4, 4), align_corners=True).diagonal(dim1=1, dim2=2)
        tensor([[1.1667, 1.1667, 1.0000]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    one_convention(matrix, align_corners)
    return from_centres(matrix, source_size, target_size) if align_corners else matrix
