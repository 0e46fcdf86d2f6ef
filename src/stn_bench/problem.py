"""The tensors of a row: a smooth image, a mild warp, the same for every library."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import spatial_transformer as st

from .rows import Row

# Every warp is near this one; each image of a batch is turned by a little more or less.
ANGLE, ANGLE_SPREAD, SCALE, SHIFT = 0.25, 0.1, 0.9, (0.1, -0.05, 0.05)
HORIZON = (0.1, 0.05)  # the last row of a homography
BEND = 0.05  # standard deviation of what moves the control points of a spline
WAVE = 0.02  # amplitude of what is added to an affine grid where points are given
WORDS = (
    f"turned by {ANGLE:g} ± {ANGLE_SPREAD:g} radians, scaled by {SCALE:g}, shifted by {SHIFT}; homographies have the "
    f"last row ({HORIZON[0]:g}, {HORIZON[1]:g}, 1), splines a random bend of {BEND:g}, given points a wave of {WAVE:g}"
)


@dataclass(frozen=True)
class Problem:
    """What a library is given.

    Attributes:
        row: what it is made from.
        image: (N, C, *size).
        family: of the warp.
        theta: (N, P).
        points: (N, *size, D) source points, normalised.
        cotangent: (N, C, *size), the gradient that comes from behind, in the layout of the image.
    """

    row: Row
    image: Tensor
    family: st.Family
    theta: Tensor
    points: Tensor
    cotangent: Tensor

    @property
    def parameter(self) -> Tensor:
        """What the warp is differentiated by: theta, or the points where they are given."""
        return self.points if self.row.warp == "points" else self.theta

    def matrix(self) -> Tensor:
        """(N, D + 1, D + 1) of an affine or projective row, float64."""
        assert isinstance(self.family, st.families.MatrixFamily)
        return self.family.matrix(self.theta.double())

    def pixels(self) -> Tensor:
        """(N, *size, D) source points in pixels, x first."""
        return st.normalised_to_pixel(self.points, self.row.size)


def problem(row: Row, device: str | torch.device = "cpu") -> Problem:
    """Make the tensors of a row; the same ones every time."""
    generator = torch.Generator().manual_seed(0)
    batch, channels, *size = row.shape
    coarse = torch.rand(batch, channels, *(min(n, 8) for n in size), generator=generator)
    image = F.interpolate(coarse, tuple(size), mode="bilinear" if row.dims == 2 else "trilinear")
    cotangent = torch.rand(batch, channels, *(1 for _ in size), generator=generator).expand(row.shape)
    family, theta = _warp(row, generator)
    points = family.grid(theta, tuple(size))
    if row.warp == "points":
        points = points + WAVE * torch.sin(6 * points.flip(-1))
    layout = torch.preserve_format if not row.channels_last else torch.channels_last
    if row.channels_last and row.dims == 3:
        layout = torch.channels_last_3d
    image, cotangent = (x.contiguous().contiguous(memory_format=layout).to(device) for x in (image, cotangent))
    return Problem(row, image, family.to(device), theta.to(device), points.to(device), cotangent)


def _warp(row: Row, generator: torch.Generator) -> tuple[st.Family, Tensor]:
    batch, dims = row.shape[0], row.dims
    if row.warp == "tps":
        spline = st.ThinPlateSpline((4, 4))
        return spline, spline.identity(batch) + BEND * torch.randn(batch, spline.parameter_count, generator=generator)
    angle = ANGLE + ANGLE_SPREAD * torch.sin(torch.arange(batch, dtype=torch.float64))  # (N,)
    axis = torch.tensor([0.4, 0.2, 1.0], dtype=torch.float64)
    turn = st.rotation_matrix(angle if dims == 2 else angle[:, None] * axis)
    shift = st.translation_matrix(torch.tensor([SHIFT[:dims]], dtype=torch.float64))
    matrix = shift @ (turn @ st.scale_matrix(torch.full((batch, dims), SCALE, dtype=torch.float64)))
    family: st.Affine | st.Projective = st.Affine(dims=dims)
    if row.warp == "projective":
        family = st.Projective()
        matrix[:, -1, :2] = torch.tensor(HORIZON)
    return family, family.from_matrix(matrix).float()
