"""Invariance, ours: how the error grows with how far a digit is turned, scaled or moved, and beyond what was trained.

The paper says that transformers bring digits into one pose; here one sees how far that goes. Networks are trained on
RTS and then tested on upright digits that are all turned, scaled or moved by the same amount. Networks, budgets and
everything else as for distorted MNIST.
"""

from pathlib import Path
from typing import Any

from torch import nn

from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.digits.invariance import COUNT, error_curve
from stn_lab.digits.sets import Digits
from stn_lab.tasks.scene import Splits
from stn_lab.training.config import Machine

from ..classification import classify
from ..table import Cell, Row, Table, load_digits
from .table1 import BUDGETS, model

COLUMN = "RTS"
# Kind to how it is said, and the amounts; trained were up to 45 degrees, 0.7 to 1.2, and up to 7 pixels.
AMOUNTS: dict[str, tuple[str, list[float]]] = {
    "rotation": ("turned, degrees", [-90, -75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 75, 90]),
    "scale": ("scaled, times", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5]),
    "translation": ("moved sideways, pixels", [-13, -10, -7, -4, 0, 4, 7, 10, 13]),
}


def fcn() -> Row:
    """Fully connected."""
    return model("FCN", "fcn")


def cnn() -> Row:
    """Two convolutions."""
    return model("CNN", "cnn")


def st_fcn_affine() -> Row:
    """Fully connected, behind an affine transformer."""
    return model("ST-FCN-Aff", "st-fcn:affine")


def st_fcn_tps() -> Row:
    """Fully connected, behind a thin plate spline."""
    return model("ST-FCN-TPS", "st-fcn:tps")


def st_cnn_affine() -> Row:
    """A CNN behind an affine transformer."""
    return model("ST-CNN-Aff", "st-cnn:affine")


def classify_and_sweep(cell: Cell, splits: Splits[Digits], folder: Path, machine: Machine) -> dict[str, Any]:
    """Train and measure as everywhere; and draw the curves."""

    def inspect(network: nn.Module) -> dict[str, Any]:
        digits, side = splits.test[:COUNT], cell.scene.side
        curves = {
            said: {
                "amounts": amounts,
                "trained": list(cell.scene.range[kind]),
                "error_percent": error_curve(network, digits, side, kind, amounts),
            }
            for kind, (said, amounts) in AMOUNTS.items()
        }
        return {"curves": curves}

    return classify(cell, splits, folder, machine, inspect=inspect)


invariance = Table(
    name="invariance",
    title="Invariance: error on digits turned, scaled and moved, %",
    source="Ours. Trained on RTS: turned by up to 45 degrees, scaled by 0.7 to 1.2, moved by up to 7 pixels. Tested on "
    "the same, and on 2,000 digits that are all distorted alike, within that range and beyond it.",
    columns={COLUMN: DISTORTIONS[COLUMN]},
    rows=(fcn(), cnn(), st_fcn_affine(), st_fcn_tps(), st_cnn_affine()),
    load=load_digits,
    train=classify_and_sweep,
    budgets=BUDGETS,
)
