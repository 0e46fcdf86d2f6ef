"""MNIST addition, Table 4 of the paper: two digits in two channels, moved independently; the network says their sum.

One transformer can straighten one of the two digits only, as it moves both channels together. Two transformers side by
side, each of which sees and moves both channels, can share the digits among them.

Left open by the paper and chosen here, for every model alike: networks, budgets and everything else as for distorted
MNIST, RTS; the two transformers start a little left and right of the identity rather than both at it. Fully connected
localisation networks are given the channels at half their size: two of them on all pixels have nine tenths of the
parameters, and leave the classifier 14 units for 19 classes. The paper has no networks that put a CNN behind
transformers here; ours have no number to compare with.

Two splines take more steps to divide the digits among them than two affine transformers do: after 3,000 they have not,
after 15,000 they have. To move, all 32 numbers of a spline must come to agree, each from a gradient of its own.

Source: Jaderberg et al. (2015), appendix A.1.
"""

from ..classification import classify
from ..distorted_mnist.table1 import BUDGETS, FAMILIES, model
from ..table import Claim, Estimates, Row, Table, load_digits
from .data import Addition

COLUMN = "RTS"
KEYS = {"Aff": "affine", "Proj": "projective", "TPS": "tps"}


def fcn() -> Row:
    """Two hidden layers on both channels."""
    return model("FCN", "fcn", {COLUMN: 47.7})


def cnn() -> Row:
    """Two convolutions on both channels."""
    return model("CNN", "cnn", {COLUMN: 14.7})


def st_fcn(family: str) -> Row:
    """Fully connected, behind one transformer that moves both channels together."""
    published = {"Aff": 22.6, "Proj": 18.5, "TPS": 19.1}[family]
    return model(f"ST-FCN-{family}", f"st-fcn:{KEYS[family]}", {COLUMN: published}, halved=True)


def two_st_fcn(family: str) -> Row:
    """Fully connected, behind two transformers; it sees the four channels that they make of two."""
    published = {"Aff": 9.0, "Proj": 5.9, "TPS": 5.8}[family]
    return model(f"2xST-FCN-{family}", f"st-fcn:{KEYS[family]}", {COLUMN: published}, transformers=2, halved=True)


def st_cnn(family: str) -> Row:
    """A CNN behind one transformer."""
    return model(f"ST-CNN-{family}", f"st-cnn:{KEYS[family]}")


def two_st_cnn(family: str) -> Row:
    """A CNN behind two transformers."""
    return model(f"2xST-CNN-{family}", f"st-cnn:{KEYS[family]}", transformers=2)


def _two_are_far_below_one(measured: Estimates) -> bool:
    return all(
        measured[f"2xST-FCN-{family}", COLUMN].value < 0.6 * measured[f"ST-FCN-{family}", COLUMN].value
        for family in FAMILIES
    )


def _two_beat_the_cnn(measured: Estimates) -> bool:
    return all(measured[f"2xST-FCN-{family}", COLUMN].value < measured["CNN", COLUMN].value for family in FAMILIES)


table4 = Table(
    name="table4",
    title="Table 4: error on MNIST addition, %",
    source="Appendix A.1; two digits in two 42x42 channels, 19 sums.",
    columns={COLUMN: Addition()},
    rows=(fcn(), cnn(), *(row(family) for row in (st_fcn, two_st_fcn, st_cnn, two_st_cnn) for family in FAMILIES)),
    load=load_digits,
    train=classify,
    budgets=BUDGETS,
    claims=(
        Claim("Two transformers make at most 60 % of the errors of one, for every family", _two_are_far_below_one),
        Claim("Fully connected layers behind two transformers beat the CNN", _two_beat_the_cnn),
    ),
    pictured=(("2xST-FCN-Aff", COLUMN), ("2xST-FCN-TPS", COLUMN)),
)
