"""Linearised sampling, ours: gradients that see further than the next pixel, on translated digits.

The value of a sample is bilinear in both; its gradient comes from a plane fitted to the image around it. Networks,
budgets and everything else as for distorted MNIST; the places around a sample are spread by 3 pixels.

Source: Jiang et al., Linearized Multi-Sampling for Differentiable Image Transformation (2019).
"""

from spatial_transformer import Linearised
from stn_lab.digits.distortions import DISTORTIONS

from ..classification import classify
from ..table import Row, Table, load_digits
from .table1 import BUDGETS, model

COLUMN = "T"


def st_fcn() -> Row:
    """Fully connected, behind an affine transformer."""
    return model("ST-FCN-Aff", "st-fcn:affine")


def st_fcn_linearised() -> Row:
    """The same with linearised sampling."""
    return model("ST-FCN-Aff-linearised", "st-fcn:affine", mode=Linearised())


def st_cnn() -> Row:
    """A CNN behind an affine transformer."""
    return model("ST-CNN-Aff", "st-cnn:affine")


def st_cnn_linearised() -> Row:
    """The same with linearised sampling."""
    return model("ST-CNN-Aff-linearised", "st-cnn:affine", mode=Linearised())


linearised = Table(
    name="linearised",
    title="Linearised sampling on translated MNIST (T): error, %",
    source="Ours, after Jiang et al. (2019); digits anywhere on 60x60 pixels.",
    columns={COLUMN: DISTORTIONS[COLUMN]},
    rows=(st_fcn(), st_fcn_linearised(), st_cnn(), st_cnn_linearised()),
    load=load_digits,
    train=classify,
    budgets=BUDGETS,
)
