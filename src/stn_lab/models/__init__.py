"""The networks of the paper's MNIST experiments."""

from .classifier import DigitClassifier
from .models import FAMILIES, ModelSpec, build, count_localising_parameters, count_parameters
from .theta_names import theta_names

__all__ = [
    "FAMILIES",
    "DigitClassifier",
    "ModelSpec",
    "build",
    "count_localising_parameters",
    "count_parameters",
    "theta_names",
]
