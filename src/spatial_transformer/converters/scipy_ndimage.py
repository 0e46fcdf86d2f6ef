"""SciPy: `scipy.ndimage.affine_transform`."""

from collections.abc import Sequence

from torch import Tensor

from .arguments import affine_matrix, arguments
from .pixels import from_pixel_matrix, to_pixel_matrix


def to_scipy(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Our matrix to SciPy's: pixels, target to source, axes in the order of the array (**row, column**).

    `scipy.ndimage.affine_transform(image, to_scipy(...)[0].numpy(), output_shape=target_size)` takes the homogeneous
    matrix; as two arguments it is `matrix=m[:-1, :-1], offset=m[:-1, -1]`. 0 is the centre of the first pixel. The
    paddings "zeros" or a number, "border", "reflection" and "wrap" are its modes "grid-constant", "nearest", "reflect"
    and "grid-wrap"; its default, "constant", does not blend with the fill value at the border.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates, x first.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, SciPy's `output_shape`.

    Returns:
        (N, D+1, D+1) matrices, target to source, pixels, axes in the order of the sizes.

    Raises:
        ValueError: a shape is another, or a matrix is not affine.

    Example:
        >>> import torch
        >>> right_half = torch.tensor([[[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]])
        >>> to_scipy(right_half, (8, 8), (8, 4))
        tensor([[[1., 0., 0.],
                 [0., 1., 4.],
                 [0., 0., 1.]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    matrix = affine_matrix("scipy.ndimage.affine_transform", matrix)
    return _reverse_axes(to_pixel_matrix(matrix, source_size, target_size))


def from_scipy(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """SciPy's matrix to ours.

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, pixels, axes in the order of the array (row, column);
            0 is the centre of the first pixel. `matrix` and `offset` apart go in as
            `torch.cat([matrix, offset[..., None]], dim=-1)`.
        source_size: (H, W) or (D, H, W) of the input image.
        target_size: (H, W) or (D, H, W) of the output image, SciPy's `output_shape`.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, x first, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, or a matrix is not affine.

    Example:
        >>> import torch
        >>> crop = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 4.0]]])  # four columns further right
        >>> from_scipy(crop, (8, 8), (8, 4))[:, :2]
        tensor([[[0.5000, 0.0000, 0.5000],
                 [0.0000, 1.0000, 0.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size)
    matrix = affine_matrix("scipy.ndimage.affine_transform", matrix)
    return from_pixel_matrix(_reverse_axes(matrix), source_size, target_size)


def _reverse_axes(matrix: Tensor) -> Tensor:
    """(N, D+1, D+1) with x first to rows first, or the other way round."""
    last = matrix.shape[-1] - 1
    order = [*reversed(range(last)), last]
    return matrix[:, order][:, :, order]
