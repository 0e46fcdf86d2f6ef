"""scikit-image: `skimage.transform.warp` and the transforms with `.params`."""

from collections.abc import Sequence

from torch import Tensor

from .arguments import arguments
from .pixels import from_pixel_matrix, to_pixel_matrix


def to_skimage(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """Our matrix to scikit-image's: pixels, x first, target to source, 0 at the centre of the first pixel.

    `skimage.transform.warp(image, to_skimage(...)[0].numpy(), output_shape=target_size)` takes it as its `inverse_map`;
    so does `AffineTransform(matrix=...)` or `ProjectiveTransform(matrix=...)` when that is passed as `inverse_map`.

    Args:
        matrix: (N, 3, 3) or (N, 2, 3), target to source, normalised coordinates.
        source_size: (H, W) of the input image.
        target_size: (H, W) of the output image, scikit-image's `output_shape`.

    Returns:
        (N, 3, 3) matrices, target to source, pixels.

    Raises:
        ValueError: a shape is another.

    Example:
        >>> import torch
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> to_skimage(half, (8, 8), (4, 4))
        tensor([[[1., 0., 2.],
                 [0., 1., 2.],
                 [0., 0., 1.]]])
    """
    arguments(matrix, source_size, target_size, dims=2)
    return to_pixel_matrix(matrix, source_size, target_size)


def from_skimage(matrix: Tensor, source_size: Sequence[int], target_size: Sequence[int]) -> Tensor:
    """scikit-image's `inverse_map`, or the `.params` of one, to ours.

    Args:
        matrix: (N, 3, 3) or (N, 2, 3), target to source, pixels, x first; 0 is the centre of the first pixel. For
            `warp(image, transform.inverse)`, the usual call, pass `transform.inverse.params`.
        source_size: (H, W) of the input image.
        target_size: (H, W) of the output image, scikit-image's `output_shape`.

    Returns:
        (N, 3, 3) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape is another.

    Example:
        >>> import torch
        >>> crop = torch.tensor([[[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]])
        >>> from_skimage(crop, (8, 8), (4, 4))[:, :2]
        tensor([[[0.5000, 0.0000, 0.0000],
                 [0.0000, 0.5000, 0.0000]]])
    """
    arguments(matrix, source_size, target_size, dims=2)
    return from_pixel_matrix(matrix, source_size, target_size)
