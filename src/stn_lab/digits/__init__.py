"""Digits, and what the paper does to them."""

from .digits import Digits, Splits, load
from .distortions import DISTORTIONS, Distortion

__all__ = ["DISTORTIONS", "Digits", "Distortion", "Splits", "load"]
