"""Registration: the theta that lays one image on another, and whether it does."""

from .chain import Chain, inconsistency, register_chain
from .descent import Descent
from .features import FeatureStart, feature_start
from .register import Registration, register
from .smoothness import Smoothness
from .staged import Staged
from .verdict import Verdict

__all__ = [
    "Chain",
    "Descent",
    "FeatureStart",
    "Registration",
    "Smoothness",
    "Staged",
    "Verdict",
    "feature_start",
    "inconsistency",
    "register",
    "register_chain",
]
