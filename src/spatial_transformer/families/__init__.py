"""T_theta: the families of transformations, one file per kind."""

from .base import Family
from .bspline import BSpline
from .displacement import Displacement
from .linear import Affine, Attention, LinearFamily, MatrixFamily, Translation
from .piecewise_affine import PiecewiseAffine
from .projective import Projective
from .rigid import Rigid, Similarity
from .structured import Structured
from .thin_plate_spline import ThinPlateSpline
from .velocity import Velocity

__all__ = [
    "Affine",
    "Attention",
    "BSpline",
    "Displacement",
    "Family",
    "LinearFamily",
    "MatrixFamily",
    "PiecewiseAffine",
    "Projective",
    "Rigid",
    "Similarity",
    "Structured",
    "ThinPlateSpline",
    "Translation",
    "Velocity",
]
