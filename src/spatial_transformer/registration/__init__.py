"""Registration: the theta that lays one image on another, and whether it does."""

from .chain import Chain, inconsistency, register_chain
from .descent import Descent
from .features import FeatureStart, feature_start
from .register import Registration, register
from .verdict import Verdict

__all__ = [
    "Chain",
    "Descent",
    "FeatureStart",
    "Registration",
    "Verdict",
    "feature_start",
    "inconsistency",
    "register",
    "register_chain",
]
