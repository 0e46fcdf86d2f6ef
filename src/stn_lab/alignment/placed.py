"""A family of matrices in the frame of the fixed image, followed by a matrix that is known: to where `moving` lies."""

from typing import final

import torch
from torch import Tensor

from spatial_transformer.families import MatrixFamily


@final
class Placed(MatrixFamily):
    """`x_s = place T_theta(x)`: theta is that of the family inside, and its identity does what headers say.

    Two scans lie in one world, each with a grid of its own. A rigid motion of the world is one in the frame of the
    fixed image, whose axes are to scale; the known map goes on from there to the voxels of the moving one.

    Args:
        inside: the family.
        place: (D+1, D+1), from normalised points of the fixed image to those of the moving one.

    Example:
        >>> from spatial_transformer import Translation
        >>> family = Placed(Translation(), torch.diag(torch.tensor([2.0, 2.0, 1.0])))
        >>> family.points(torch.tensor([[0.5, 0.0]]), torch.tensor([[0.0, 0.25]]))
        tensor([[[1.0000, 0.5000]]])
    """

    def __init__(self, inside: MatrixFamily, place: Tensor) -> None:
        super().__init__(inside.dims, lambda: inside.identity(1, device="cpu")[0])
        self.inside = inside
        self._keep("place", lambda: place.double())
        self._keep("back", lambda: torch.linalg.inv(place.double()))

    def first_fit(self, target: Tensor, source: Tensor) -> Tensor:
        """What the family inside fits to where the points are in the frame of the fixed image."""
        back = self._constant("back", source)
        return self.inside.first_fit(target, source @ back[:-1, :-1].mT + back[:-1, -1])

    def _build(self, theta: Tensor) -> Tensor:
        return self._constant("place", theta) @ self.inside.matrix(theta)

    def _read(self, matrix: Tensor) -> Tensor:
        return self.inside.from_matrix(self._constant("back", matrix) @ matrix)

    def _rows(self, theta: Tensor) -> Tensor:
        rows = self.inside.rows(theta)  # (N, D, D+1), or (N, D+1, D+1) of a projective map
        return self._build(theta)[:, : rows.shape[1]]

    def _transform(self, theta: Tensor, points: Tensor) -> Tensor:
        moved = self.inside.points(theta, points)
        place = self._constant("place", theta)
        return moved @ place[:-1, :-1].mT + place[:-1, -1]

    def extra_repr(self) -> str:
        return f"{self.inside}"
