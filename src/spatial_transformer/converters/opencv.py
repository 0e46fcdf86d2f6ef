"""OpenCV: `cv2.warpAffine`, `cv2.warpPerspective`."""

from collections.abc import Sequence

from torch import Tensor

from .arguments import arguments, inverse
from .pixels import from_pixel_matrix, to_pixel_matrix


def to_opencv(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Our matrix to OpenCV's: pixels, x first, from the **source to the target**, 0 at the centre of the first pixel.

    `cv2.warpPerspective(image, m, (width, height))` takes `to_opencv(...)[0].numpy()`, `cv2.warpAffine` its first two
    rows. OpenCV inverts the matrix again; with `flags=cv2.WARP_INVERSE_MAP` it does not, and takes that of
    `to_pixel_matrix`. Note that its `dsize` is (width, height).

    Args:
        matrix: (N, 3, 3) or (N, 2, 3), target to source, normalised coordinates.
        source_size: (H, W) of the input image.
        target_size: (H, W) of the output image.

    Returns:
        (N, 3, 3) matrices, source to target, pixels.

    Raises:
        ValueError: a shape is another, or a matrix has no inverse.

    Example:
        >>> import torch
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> to_opencv(half, (8, 8), (4, 4))[:, :2]  # for warpAffine: pixel 2 moves to pixel 0
        tensor([[[ 1.,  0., -2.],
                 [ 0.,  1., -2.]]])
    """
    arguments(matrix, source_size, target_size, dims=2)
    return inverse(to_pixel_matrix(matrix, source_size, target_size))


def from_opencv(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """OpenCV's matrix, such as `cv2.getRotationMatrix2D` or `cv2.findHomography` return, to ours.

    Args:
        matrix: (N, 2, 3) or (N, 3, 3), **source to target**, pixels, x first; 0 is the centre of the first pixel. One
            that is used with `cv2.WARP_INVERSE_MAP` goes to `from_pixel_matrix` instead.
        source_size: (H, W) of the input image.
        target_size: (H, W) of the output image, the reverse of OpenCV's `dsize`.

    Returns:
        (N, 3, 3) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another, or a matrix has no inverse.

    Example:
        >>> import torch
        >>> shift = torch.tensor([[[1.0, 0.0, -2.0], [0.0, 1.0, -2.0]]])
        >>> from_opencv(shift, (8, 8), (4, 4))[:, :2]
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000]]])
    """
    *_, matrix = arguments(matrix, source_size, target_size, dims=2)
    return from_pixel_matrix(inverse(matrix), source_size, target_size)
