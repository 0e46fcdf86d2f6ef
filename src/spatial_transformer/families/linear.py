"""Families whose source point is a matrix times the target point: shift, crop, and the full affine map."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from ..homography import transform
from .base import Family, full_precision


class MatrixFamily(Family):
    """A family that is a group of homogeneous (D+1, D+1) matrices: it can be composed and inverted exactly."""

    keeps_lines = True

    @abstractmethod
    def _build(self, theta: Tensor) -> Tensor:
        """(N, P) parameters to (N, D+1, D+1) matrices."""

    @abstractmethod
    def _read(self, matrix: Tensor) -> Tensor:
        """(N, D+1, D+1) matrices of this family to (N, P) parameters."""

    @final
    def rows(self, theta: Tensor) -> Tensor:
        """The rows of `matrix` that make a difference, never computed in half precision.

        Args:
            theta: (N, P) parameters.

        Returns:
            (N, D, D+1), or (N, D+1, D+1) for a projective map.

        Raises:
            ValueError: `theta` is not (N, P).
        """
        checks.theta(self, self.parameter_count, theta)
        with full_precision(theta):
            return self._rows(theta)

    @abstractmethod
    def _rows(self, theta: Tensor) -> Tensor:
        """`rows`, unchecked."""

    @final
    def matrix(self, theta: Tensor) -> Tensor:
        """The homogeneous matrix that takes target points to source points.

        Args:
            theta: (N, P) parameters.

        Returns:
            (N, D+1, D+1) matrices in normalised coordinates, x first.

        Raises:
            ValueError: `theta` is not (N, P).
        """
        checks.theta(self, self.parameter_count, theta)
        return self._build(theta)

    @final
    def from_matrix(self, matrix: Tensor) -> Tensor:
        """The theta of a matrix.

        Args:
            matrix: (N, D, D+1) or (N, D+1, D+1), target to source, in normalised coordinates, x first.

        Returns:
            (N, P) parameters.

        Raises:
            ValueError: the shape is another, or the family does not hold this matrix (a shear is not a `Similarity`),
                or the centre of the target lies on the horizon, or beyond it where the source is not seen.
        """
        matrix = checks.matrix(matrix, self.dims)
        checks.horizon(self, matrix)
        matrix = matrix / matrix[:, -1:, -1:]  # a homogeneous matrix means the same whatever it is multiplied by
        theta = self._read(matrix)
        checks.matrix_in_family(self, self._build(theta), matrix)
        return theta

    @final
    def inverse(self, theta: Tensor) -> Tensor:
        """The theta of the inverse map: source to target.

        Args:
            theta: (N, P) parameters.

        Returns:
            (N, P) parameters; `compose(theta, inverse(theta))` is the identity.

        Raises:
            ValueError: matrices are singular (a scale of zero); the message names the rows. While traced, no values
                are read, and those rows are NaN.

        Example:
            >>> from spatial_transformer import Attention
            >>> Attention().inverse(torch.tensor([[0.5, 0.25, 0.5]]))
            tensor([[ 2.0000, -0.5000, -1.0000]])
        """
        inverse, info = torch.linalg.inv_ex(self.matrix(theta))
        checks.invertible(self, info)
        return self._read(inverse.masked_fill((info != 0)[:, None, None], torch.nan))

    @final
    def compose(self, first: Tensor, then: Tensor) -> Tensor:
        """The theta of two maps one after the other, so that an image is resampled only once.

        Args:
            first: (N, P) parameters of the map applied to the target points.
            then: (N, P) parameters of the map applied to what `first` returns.

        Returns:
            (N, P) parameters with `points(compose(first, then), p) == points(then, points(first, p))`.

        Raises:
            ValueError: either is not (N, P).
        """
        with full_precision(first):
            return self._read(self.matrix(then) @ self.matrix(first))


class LinearFamily(MatrixFamily):
    """A matrix family whose last row is 0 ... 0 1."""

    def __init__(self, dims: int, identity: Tensor | Callable[[], Tensor], *, allowed: Sequence[int] = (2, 3)) -> None:
        super().__init__(checks.dims(type(self).__name__, dims, allowed=allowed), identity)

    @abstractmethod
    def _linear(self, theta: Tensor) -> Tensor:
        """(N, P) parameters to (N, D, D+1), the matrix without its last row."""

    @final
    def _build(self, theta: Tensor) -> Tensor:
        upper = self._linear(theta)  # (N, D, D+1)
        last_row = torch.eye(self.dims + 1, dtype=theta.dtype, device=theta.device)[-1:]
        return torch.cat([upper, last_row.expand(theta.shape[0], 1, -1)], dim=1)

    @final
    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        return transform(self._linear(theta), points)

    @final
    def _rows(self, theta: Tensor) -> Tensor:
        return self._linear(theta)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


@final
class Translation(LinearFamily):
    """Shift: `x_s = x + t`.

    theta is (tx, ty) or (tx, ty, tz), in half-widths of the source image: tx = 1 moves the window by half of its width.

    Args:
        dims: 2 or 3.

    Raises:
        ValueError: `dims` is neither.

    Example:
        >>> Translation().points(torch.tensor([[0.5, 0.0]]), torch.tensor([[-1.0, 0.0]]))
        tensor([[[-0.5000,  0.0000]]])
    """

    def __init__(self, dims: int = 2) -> None:
        super().__init__(dims, lambda: torch.zeros(dims))

    def _linear(self, theta: Tensor) -> Tensor:
        eye = torch.eye(self.dims, dtype=theta.dtype, device=theta.device)
        return torch.cat([eye.expand(theta.shape[0], -1, -1), theta[..., None]], dim=-1)

    def _read(self, matrix: Tensor) -> Tensor:
        return matrix[:, :-1, -1]


@final
class Attention(LinearFamily):
    """Isotropic scale and shift, the crop of a spatial attention model: `x_s = s x + t`.

    theta is (s, tx, ty) or (s, tx, ty, tz). s is the width of the crop over the width of the source: s < 1 zooms in.

    Args:
        dims: 2 or 3.

    Raises:
        ValueError: `dims` is neither.

    Source: Jaderberg et al. (2015), equation 2.

    Example:
        >>> Attention().points(torch.tensor([[0.5, 0.25, 0.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([[[0.7500, 0.5000]]])
    """

    def __init__(self, dims: int = 2) -> None:
        super().__init__(dims, lambda: torch.tensor([1.0] + [0.0] * dims))

    def _linear(self, theta: Tensor) -> Tensor:
        eye = torch.eye(self.dims, dtype=theta.dtype, device=theta.device)
        return torch.cat([theta[:, :1, None] * eye, theta[:, 1:, None]], dim=-1)

    def _read(self, matrix: Tensor) -> Tensor:
        return torch.cat([matrix[:, 0, :1], matrix[:, :-1, -1]], dim=1)


@final
class Affine(LinearFamily):
    """Any matrix and shift: rotation, scale, shear, mirror.

    theta is the (D, D+1) matrix row by row; in 2D `x_s = a x + b y + c`, `y_s = d x + e y + f` for (a, b, c, d, e, f).

    Args:
        dims: 2 or 3.

    Raises:
        ValueError: `dims` is neither.

    Source: Jaderberg et al. (2015), equation 1; appendix A.3 for volumes.

    Example:
        >>> Affine().points(torch.tensor([[1.0, 0.0, 0.0, 0.0, -1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
        tensor([[[ 0.5000, -0.5000]]])
    """

    def __init__(self, dims: int = 2) -> None:
        super().__init__(dims, lambda: torch.eye(dims, dims + 1))

    def _linear(self, theta: Tensor) -> Tensor:
        return theta.unflatten(1, (self.dims, self.dims + 1))

    def _read(self, matrix: Tensor) -> Tensor:
        return matrix[:, :-1].flatten(1)
