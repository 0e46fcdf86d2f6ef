"""What keeps a transformer from collapsing: limits, penalties, a monitor, and a padding that is truly black."""

from .bound import Bound
from .monitor import CollapseMonitor, CollapseWarning
from .padding import ChannelPadding, normalised_padding
from .penalties import (
    area_penalty,
    fold_penalty,
    identity_penalty,
    outside_fraction,
    outside_penalty,
    scale_penalty,
)

__all__ = [
    "Bound",
    "ChannelPadding",
    "CollapseMonitor",
    "CollapseWarning",
    "area_penalty",
    "fold_penalty",
    "identity_penalty",
    "normalised_padding",
    "outside_fraction",
    "outside_penalty",
    "scale_penalty",
]
