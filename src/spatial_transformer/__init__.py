"""Spatial Transformer Networks: differentiable warps that a network predicts for its own input."""

from . import backends, compat, converters, guards, kernels, measures
from .coordinates import (
    from_align_corners,
    normalised_to_pixel,
    pixel_to_normalised,
    target_points,
    to_align_corners,
)
from .families import (
    Affine,
    Attention,
    BSpline,
    Displacement,
    Family,
    PiecewiseAffine,
    Projective,
    Rigid,
    Similarity,
    Structured,
    ThinPlateSpline,
    Translation,
    Velocity,
)
from .insertion import insert, remove
from .kernels import Kernel
from .keypoints import KeypointLocaliser
from .landmarks import fit_points
from .learning_rates import parameter_groups
from .linearised import Linearised
from .localisers import ConvLocaliser, PaperCNNLocaliser, PaperFCNLocaliser
from .matrices import perspective_matrix, rotation_matrix, scale_matrix, translation_matrix
from .parallel import ParallelTransformers, tile_starts
from .recording import record_thetas
from .regions import Region
from .registration import (
    Descent,
    Registration,
    Smoothness,
    Verdict,
    feature_start,
    inconsistency,
    register,
    register_chain,
)
from .sampling import sample
from .transformer import SpatialTransformer
from .warping import warp

__version__ = "0.1.0"

__all__ = [
    "Affine",
    "Attention",
    "BSpline",
    "ConvLocaliser",
    "Descent",
    "Displacement",
    "Family",
    "Kernel",
    "KeypointLocaliser",
    "Linearised",
    "PaperCNNLocaliser",
    "PaperFCNLocaliser",
    "ParallelTransformers",
    "PiecewiseAffine",
    "Projective",
    "Region",
    "Registration",
    "Rigid",
    "Similarity",
    "Smoothness",
    "SpatialTransformer",
    "Structured",
    "ThinPlateSpline",
    "Translation",
    "Velocity",
    "Verdict",
    "backends",
    "compat",
    "converters",
    "feature_start",
    "fit_points",
    "from_align_corners",
    "guards",
    "inconsistency",
    "insert",
    "kernels",
    "measures",
    "normalised_to_pixel",
    "parameter_groups",
    "perspective_matrix",
    "pixel_to_normalised",
    "record_thetas",
    "register",
    "register_chain",
    "remove",
    "rotation_matrix",
    "sample",
    "scale_matrix",
    "target_points",
    "tile_starts",
    "to_align_corners",
    "translation_matrix",
    "warp",
]
