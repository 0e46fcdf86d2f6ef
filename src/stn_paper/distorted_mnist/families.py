"""Families that the paper names or that came after it, on the columns of Table 1.

Piecewise affine maps, free-form deformations by cubic B-splines, and flows of a velocity, all with 16 control points as
the thin plate spline of Table 1 has them. Networks, budgets and everything else as there.
"""

from ..classification import classify
from ..table import Row, Table, load_digits
from .table1 import BUDGETS, model, table1

KEYS = {"PwA": "piecewise-affine", "BSpline": "bspline", "Velocity": "velocity"}


def st_fcn(family: str) -> Row:
    """Fully connected, behind a transformer of a family."""
    return model(f"ST-FCN-{family}", f"st-fcn:{KEYS[family]}")


def st_cnn(family: str) -> Row:
    """A CNN behind a transformer of a family."""
    return model(f"ST-CNN-{family}", f"st-cnn:{KEYS[family]}")


families = Table(
    name="families",
    title="More families on distorted MNIST: error, %",
    source="Ours, on the columns of Table 1: piecewise affine (named in the paper, without an experiment), cubic "
    "B-spline, and the flow of a velocity, which cannot fold. 4x4 control points each.",
    columns=table1.columns,
    rows=tuple(row(family) for row in (st_fcn, st_cnn) for family in KEYS),
    load=load_digits,
    train=classify,
    budgets=BUDGETS,
    pictured=(("ST-FCN-BSpline", "E"), ("ST-FCN-Velocity", "E")),
)
