"""Spatial attention, ours: how few pixels of cluttered digits a classifier needs to be given.

A transformer hands a small picture to the classifier, which sees nothing else; where to look and how closely is learnt
from the classes alone, by gradient descent. Digits of 28 pixels lie anywhere on 60x60. Networks, budgets and everything
else as for distorted MNIST, TC, but that the transformer's output is small rather than averaged.
"""

from pathlib import Path
from typing import Any

from torch import nn

from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.digits.sets import Digits
from stn_lab.models.classifier import DigitClassifier
from stn_lab.tasks.scene import Splits
from stn_lab.training.config import Machine

from ..classification import classify
from ..table import Cell, Claim, Estimates, Row, Table, load_digits
from .table1 import BUDGETS, model

COLUMN = "TC"


def fcn() -> Row:
    """Fully connected; given the whole image."""
    return model("FCN", "fcn")


def st_fcn(side: int) -> Row:
    """Fully connected; given so many pixels along each side by an affine transformer."""
    return model(f"ST-FCN-Aff-{side}px", "st-fcn:affine", crop=side)


def st_cnn(side: int) -> Row:
    """A CNN that is given as much."""
    return model(f"ST-CNN-Aff-{side}px", "st-cnn:affine", crop=side)


def classify_what_is_given(cell: Cell, splits: Splits[Digits], folder: Path, machine: Machine) -> dict[str, Any]:
    """Train and measure as everywhere; and the share of the image's pixels that the classifier is given."""

    def inspect(network: nn.Module) -> dict[str, Any]:
        assert isinstance(network, DigitClassifier)
        if network.transformer is None or network.transformer.size is None:
            return {}
        height, width = network.transformer.size
        return {"pixels_given_percent": 100 * height * width / cell.scene.side**2}

    return classify(cell, splits, folder, machine, inspect=inspect)


def _a_ninth_is_enough(measured: Estimates) -> bool:
    return measured["ST-FCN-Aff-20px", COLUMN].value < 0.5 * measured["FCN", COLUMN].value


glimpses = Table(
    name="glimpses",
    title="Spatial attention: error on translated cluttered MNIST given few pixels, %",
    source="Ours. *Pixels given* are those that the classifier sees, as a share of the image's; *pixels read* is the "
    "part of the image that they are sampled from.",
    columns={COLUMN: DISTORTIONS[COLUMN]},
    rows=(fcn(), st_fcn(28), st_fcn(20), st_fcn(14), st_fcn(10), st_cnn(28), st_cnn(22)),
    load=load_digits,
    train=classify_what_is_given,
    budgets=BUDGETS,
    claims=(
        Claim(
            "Given a ninth of the pixels the FCN makes less than half of the errors that it makes given all",
            _a_ninth_is_enough,
        ),
    ),
    pictured=(("ST-FCN-Aff-20px", COLUMN), ("ST-FCN-Aff-10px", COLUMN)),
)
