"""Families that keep angles: rotation and shift, with or without a scale."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .. import checks
from ..matrices import axis_angle_rotation, nearest_rotation, plane_rotation, rotation_axis_angle
from .linear import LinearFamily

# How many numbers say a rotation: an angle, or an axis times an angle.
TURNS = {2: 1, 3: 3}


class _TurningFamily(LinearFamily):
    """A linear family with a rotation in it, which turns in a frame where all axes have one unit."""

    def __init__(self, dims: int, scale: Sequence[float], extent: Sequence[float] | None) -> None:
        checks.dims(type(self).__name__, dims, allowed=(2, 3))
        super().__init__(dims, lambda: torch.tensor([*scale, *[0.0] * (TURNS[dims] + dims)]))
        self.extent = checks.extent(extent, dims)
        # (D, D): the unit of column j over that of row i
        self._keep(
            "aspect", lambda: torch.tensor([[b / a for b in self.extent] for a in self.extent], dtype=torch.float64)
        )

    def _fitted_turn(self, target: Tensor, source: Tensor, *, scaled: bool) -> Tensor:
        """The rotation, and scale, of least squared distance between (N, K, D) points, as (N, D+1, D+1) matrices.

        Source: Kabsch (1976); Umeyama (1991) for the scale.
        """
        lengths = target.new_tensor(self.extent)  # (D,): to a frame where all axes have one unit
        a, b = target * lengths, source * lengths
        a_centre, b_centre = a.mean(dim=1, keepdim=True), b.mean(dim=1, keepdim=True)  # (N, 1, D)
        a, b = a - a_centre, b - b_centre
        linear, match = nearest_rotation(b.mT @ a)  # (N, D, D), (N,)
        if scaled:
            spread = a.square().sum(dim=(1, 2))
            scale = torch.where(spread > 0, match / torch.where(spread > 0, spread, 1), 1)
            linear = linear * scale[:, None, None]
        shift = (b_centre - (linear @ a_centre.mT).mT)[:, 0] / lengths  # (N, D)
        upper = torch.cat([linear * lengths / lengths[:, None], shift[..., None]], dim=-1)
        return checks.matrix(upper, self.dims)

    def _turn(self, turn: Tensor, scale: Tensor | None, shift: Tensor) -> Tensor:
        """(N, 1 | 3) rotations, (N, 1) scales, (N, D) shifts to (N, D, D+1)."""
        rotation = plane_rotation(turn[:, 0]) if self.dims == 2 else axis_angle_rotation(turn)  # (N, D, D)
        linear = rotation if scale is None else scale[..., None] * rotation
        return torch.cat([linear * self._constant("aspect", turn), shift[..., None]], dim=-1)

    def _unturn(self, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, D+1, D+1) matrices to (N, 1) scales, (N, 1 | 3) rotations, (N, D) shifts."""
        linear = matrix[:, :-1, :-1] / self._constant("aspect", matrix)
        scale, turn = _plane_turn(linear) if self.dims == 2 else _space_turn(linear)
        return scale, turn, matrix[:, :-1, -1]

    def extra_repr(self) -> str:
        return f"dims={self.dims}, extent={self.extent}"


@final
class Similarity(_TurningFamily):
    """Rotation, isotropic scale and shift.

    theta is (s, angle, tx, ty), or (s, wx, wy, wz, tx, ty, tz) in 3D: s as in `Attention`, the rotation in radians. A
    positive angle turns the sampling grid from the x axis towards the y axis, clockwise on a screen, so the picture in
    it appears turned counter-clockwise. In 3D w is the axis times the angle, as in `rotation_matrix`; derivatives exist
    at w = 0 too. `from_matrix`, `inverse` and `compose` return the shortest w, at most half a turn long.

    Args:
        dims: 2 or 3.
        extent: width and height (and depth) of the image in any common unit, for instance (640, 480). Normalised
            coordinates of an image that is not square are not to scale, and a rotation needs to know; equal sides by
            default.

    Raises:
        ValueError: `dims` is neither, or `extent` is not one positive length per axis.

    Example:
        >>> Similarity().points(torch.tensor([[2.0, torch.pi / 2, 1.0, 0.0]]), torch.tensor([[1.0, 0.0]])).round()
        tensor([[[1., 2.]]])
    """

    def __init__(self, dims: int = 2, *, extent: Sequence[float] | None = None) -> None:
        super().__init__(dims, [1.0], extent)

    def _linear(self, theta: Tensor) -> Tensor:
        scale, turn, shift = theta.split([1, TURNS[self.dims], self.dims], dim=1)
        return self._turn(turn, scale, shift)

    def _read(self, matrix: Tensor) -> Tensor:
        return torch.cat(self._unturn(matrix), dim=1)

    def first_fit(self, target: Tensor, source: Tensor) -> Tensor:
        return self._read(self._fitted_turn(target, source, scaled=True))


@final
class Rigid(_TurningFamily):
    """Rotation and shift: lengths and angles stay.

    theta is (angle, tx, ty), or (wx, wy, wz, tx, ty, tz) in 3D, the rotation as in `Similarity`.

    Args:
        dims: 2 or 3.
        extent: width and height (and depth) of the image, as in `Similarity`.

    Raises:
        ValueError: `dims` is neither, or `extent` is not one positive length per axis.

    Example:
        >>> Rigid().points(torch.tensor([[torch.pi / 2, 1.0, 0.0]]), torch.tensor([[1.0, 0.0]])).round()
        tensor([[[1., 1.]]])
        >>> Rigid(dims=3).parameter_count
        6
    """

    def __init__(self, dims: int = 2, *, extent: Sequence[float] | None = None) -> None:
        super().__init__(dims, [], extent)

    def _linear(self, theta: Tensor) -> Tensor:
        turn, shift = theta.split([TURNS[self.dims], self.dims], dim=1)
        return self._turn(turn, None, shift)

    def _read(self, matrix: Tensor) -> Tensor:
        _, turn, shift = self._unturn(matrix)
        return torch.cat([turn, shift], dim=1)

    def first_fit(self, target: Tensor, source: Tensor) -> Tensor:
        return self._read(self._fitted_turn(target, source, scaled=False))


def _plane_turn(linear: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 2, 2) scaled rotations to (N, 1) positive scales and (N, 1) angles."""
    cos, sin = linear[:, 0, :1], linear[:, 1, :1]
    return torch.hypot(cos, sin), torch.atan2(sin, cos)


def _space_turn(linear: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 3, 3) scaled rotations to (N, 1) scales and (N, 3) axis-angle vectors."""
    x, y, z = linear.unbind(dim=1)  # (N, 3), the rows
    mirrored = (torch.linalg.cross(x, y) * z).sum(dim=1, keepdim=True) < 0  # a negative scale: no turn undoes it
    size = (linear.square().sum(dim=(1, 2)) / 3)[:, None].sqrt()  # (N, 1)
    scale = torch.where(mirrored, -size, size)
    return scale, rotation_axis_angle(linear / torch.where(scale == 0, 1, scale)[..., None])
