"""SimpleITK (and ITK): affine transforms in physical space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from .. import checks
from ..families.base import full_precision
from .arguments import affine_matrix, arguments, inverse, numbers
from .pixels import from_pixel_matrix, to_pixel_matrix


class PhysicalImage(Protocol):
    """What `ImageGeometry.of` asks an image for; a `SimpleITK.Image` has it."""

    def GetSize(self) -> tuple[int, ...]: ...  # noqa: N802
    def GetSpacing(self) -> tuple[float, ...]: ...  # noqa: N802
    def GetOrigin(self) -> tuple[float, ...]: ...  # noqa: N802
    def GetDirection(self) -> tuple[float, ...]: ...  # noqa: N802


@dataclass(frozen=True)
class ImageGeometry:
    """Where the pixels of an image lie in physical space: pixel p is at `origin + direction @ (spacing * p)`.

    Attributes:
        size: (H, W) or (D, H, W), as everywhere in this library; the reverse of `image.GetSize()`.
        spacing: how far apart pixels are, **x first**, as `image.GetSpacing()`; 1 by default.
        origin: the place of the centre of the first pixel, x first, as `image.GetOrigin()`; 0 by default.
        direction: the axes' directions, a (D, D) matrix row by row, as `image.GetDirection()`; the identity by default.

    Raises:
        ValueError: a length is another, a spacing is not positive, or the directions are not independent.

    Example:
        >>> ImageGeometry((40, 30), spacing=(0.5, 2.0))
        ImageGeometry(size=(40, 30), spacing=(0.5, 2.0), origin=(0.0, 0.0), direction=(1.0, 0.0, 0.0, 1.0))
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    direction: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        size = checks.size("size", self.size)
        dims = len(size)
        eye = [float(row == column) for row in range(dims) for column in range(dims)]
        values = {
            "size": size,
            "spacing": numbers("spacing", self.spacing or (1,) * dims, dims, positive=True),
            "origin": numbers("origin", self.origin or (0,) * dims, dims),
            "direction": numbers("direction", self.direction or eye, dims * dims),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the class is frozen
        inverse(self.pixels_to_physical()[None], "direction", "Its columns are the directions of the axes: turn one.")

    def pixels_to_physical(self) -> Tensor:
        """The (D+1, D+1) matrix, float64, that takes a pixel to its place, both x first."""
        dims = len(self.size)
        matrix = torch.eye(dims + 1, dtype=torch.float64)
        directions = torch.tensor(self.direction, dtype=torch.float64).reshape(dims, dims)
        matrix[:-1, :-1] = directions * torch.tensor(self.spacing, dtype=torch.float64)
        matrix[:-1, -1] = torch.tensor(self.origin, dtype=torch.float64)
        return matrix

    @classmethod
    def of(cls, image: PhysicalImage) -> Self:
        """The geometry of a `SimpleITK.Image`, or of anything else with its four getters."""
        return cls(image.GetSize()[::-1], image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def to_simpleitk(
    matrix: Tensor, source: ImageGeometry, target: ImageGeometry, *, center: Sequence[float] | None = None
) -> Tensor:
    """Our matrix to that of a `SimpleITK.AffineTransform`: physical coordinates, x first, target to source.

    SimpleITK says "from the fixed to the moving image", which is the same: `Resample(source, target, transform)` maps
    the places of the output's pixels to places in the input. Its transform is `A (p - center) + center + translation`:

        transform = SimpleITK.AffineTransform(D)
        transform.SetMatrix(m[:D, :D].flatten().tolist())
        transform.SetTranslation(m[:D, D].tolist())      # and SetCenter, when it is not the zero point

    Args:
        matrix: (N, D+1, D+1) or (N, D, D+1), target to source, normalised coordinates.
        source: where the pixels of the input (moving) image lie, `ImageGeometry.of(image)`.
        target: where those of the output (fixed, reference) image lie.
        center: the fixed point that the transform will be given, D numbers, x first; the zero point by default.

    Returns:
        (N, D+1, D+1): `A` in the first D rows and columns, the translation in the last column.

    Raises:
        ValueError: a shape or a length is another, or a matrix is not affine.

    Example:
        >>> fine, coarse = ImageGeometry((8, 8), spacing=(0.5, 0.5)), ImageGeometry((4, 4), spacing=(1.0, 1.0))
        >>> to_simpleitk(torch.eye(3)[None], fine, coarse)  # equal edges, so pixel 0 is a quarter off
        tensor([[[1.0000, 0.0000, 0.2500],
                 [0.0000, 1.0000, 0.2500],
                 [0.0000, 0.0000, 1.0000]]])
    """
    *_, matrix = arguments(matrix, source.size, target.size)
    matrix = affine_matrix("SimpleITK.AffineTransform", matrix)
    pixels = to_pixel_matrix(matrix, source.size, target.size)
    there, back = source.pixels_to_physical().to(matrix), _physical_to_pixels(target).to(matrix)
    with full_precision(matrix):
        physical = there @ pixels @ back  # (N, D+1, D+1), about the zero point
        return physical @ _shift(center, matrix) - (_shift(center, matrix) - _shift(None, matrix))


def from_simpleitk(
    matrix: Tensor, source: ImageGeometry, target: ImageGeometry, *, center: Sequence[float] | None = None
) -> Tensor:
    """The matrix and the translation of a `SimpleITK.AffineTransform` to our matrix.

    Args:
        matrix: (N, D, D+1) or (N, D+1, D+1), fixed to moving, physical coordinates, x first: `transform.GetMatrix()` in
            the first D columns, `transform.GetTranslation()` in the last one. For any linear transform, rigid or
            scaled, with whatever center, `transform.TransformPoint((0,) * D)` can stand in the last column, without
            `center`.
        source: where the pixels of the input (moving) image lie, `ImageGeometry.of(image)`.
        target: where those of the output (fixed, reference) image lie.
        center: `transform.GetCenter()`; the zero point by default.

    Returns:
        (N, D+1, D+1) matrices, target to source, normalised, for `family.from_matrix`.

    Raises:
        ValueError: a shape or a length is another, or a matrix is not affine.

    Example:
        >>> turn = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
        >>> image = ImageGeometry((3, 3))
        >>> from_simpleitk(turn, image, image, center=(1.0, 1.0))[:, :-1]  # about the middle of the image
        tensor([[[ 0., -1.,  0.],
                 [ 1.,  0.,  0.]]])
    """
    *_, matrix = arguments(matrix, source.size, target.size)
    matrix = affine_matrix("SimpleITK.AffineTransform", matrix)
    back, there = _physical_to_pixels(source).to(matrix), target.pixels_to_physical().to(matrix)
    with full_precision(matrix):
        shift, no_shift = _shift(center, matrix), _shift(None, matrix)
        physical = (matrix + (shift - no_shift)) @ (2 * no_shift - shift)  # A (p - center) + center + translation
        return from_pixel_matrix(back @ physical @ there, source.size, target.size)


def _physical_to_pixels(geometry: ImageGeometry) -> Tensor:
    """(D+1, D+1), float64."""
    return inverse(geometry.pixels_to_physical()[None])[0]


def _shift(center: Sequence[float] | None, like: Tensor) -> Tensor:
    """(D+1, D+1): the matrix that adds `center`, the identity without one."""
    dims = like.shape[-1] - 1
    matrix = torch.eye(dims + 1, dtype=like.dtype, device=like.device)
    if center is not None:
        matrix[:-1, -1] = like.new_tensor(numbers("center", center, dims))
    return matrix
