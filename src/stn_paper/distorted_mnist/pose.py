"""What makes a transformer turn things upright, ours: one network of Table 1, learnt in many ways.

ST-FCN-Aff with everything else as in Table 1: each row changes what its function says. A transformer is paid for
turning digits upright by fewer errors only; whether it does is measured: the share of the rotation that theta undoes.
Errors that differ by less than 0.2 may do so by chance.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from spatial_transformer import Linearised
from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.training.config import Budget

from ..classification import classify
from ..table import SMOKE, Row, Table, load_digits
from .table1 import model

COLUMNS = ("R", "RTS")

SMOOTHED: Mapping[str, Any] = {"label_smoothing": 0.1}
LAST: Mapping[str, Any] = {"keep": "last"}
SLOW: Mapping[str, Any] = {"localiser_lr_scale": 0.5}


def arm(name: str, learnt: Mapping[str, Any], label: str = "st-fcn:affine", **options: object) -> Row:
    """A way to learn.

    Args:
        name: of the row.
        learnt: what is different in the budget.
        label: of the network.
        **options: of `ModelSpec`.
    """
    plain = model(name, label, {}, **options)
    return Row(name, plain.build, learnt=learnt)


def dropout(name: str, share: float, learnt: Mapping[str, Any]) -> Row:
    """The classifier, not the localisation network, forgets this share of its units at every step."""
    plain = model(name, "st-fcn:affine")

    def build(scene: Any, filters: int) -> nn.Module:
        network = plain.build(scene, filters)
        assert isinstance(network.classifier, nn.Sequential)
        layers: list[nn.Module] = []
        for layer in network.classifier:
            layers += [layer, nn.Dropout(share)] if isinstance(layer, nn.ReLU) else [layer]
        network.classifier = nn.Sequential(*layers)
        return network

    return Row(name, build, learnt=learnt)


pose = Table(
    name="pose",
    title="What makes a transformer turn digits upright: error on distorted MNIST, %",
    source="Ours. ST-FCN-Aff of Table 1, whose localisation network learns as fast as the rest unless the row says "
    "otherwise (x0.5: half as fast, as in Table 1 under quick and standard).",
    columns={name: DISTORTIONS[name] for name in COLUMNS},
    rows=(
        arm("x0.5", SLOW),
        arm("x1", {}),
        arm("x3", {"localiser_lr_scale": 3.0}),
        arm("smoothing-x0.5", {**SMOOTHED, **SLOW}),
        arm("smoothing", SMOOTHED),
        arm("smoothing-x2", {**SMOOTHED, "localiser_lr_scale": 2.0}),
        arm("smoothing-0.2", {"label_smoothing": 0.2}),
        dropout("dropout-0.2", 0.2, {}),
        dropout("dropout-0.4", 0.4, LAST),
        dropout("smoothing-dropout-0.1", 0.1, SMOOTHED),
        dropout("smoothing-dropout-0.2", 0.2, {**SMOOTHED, **LAST}),
        dropout("smoothing-dropout-0.4", 0.4, {**SMOOTHED, **LAST}),
        arm("smoothing-last", {**SMOOTHED, **LAST}),
        arm("st-cnn-smoothing-last", {**SMOOTHED, **LAST}, "st-cnn:affine"),
        arm("smoothing-last-weight-decay-0.1", {**SMOOTHED, **LAST, "weight_decay": 0.1}),
        arm("smoothing-last-weight-decay-0.3", {**SMOOTHED, **LAST, "weight_decay": 0.3}),
        arm("smoothing-last-lr-0.01", {**SMOOTHED, **LAST, "lr": 0.01}),
        arm("smoothing-last-batch-64", {**SMOOTHED, **LAST, "batch_size": 64}),
        arm("smoothing-weight-decay-0.1", {**SMOOTHED, "weight_decay": 0.1}),
        arm("smoothing-two-looks", SMOOTHED, looks=2),
        arm("smoothing-linearised", SMOOTHED, mode=Linearised()),
        arm("smoothing-similarity", SMOOTHED, "st-fcn:similarity"),
        arm("smoothing-rigid", SMOOTHED, "st-fcn:rigid"),
        arm("sgd", {"optimiser": "sgd", "lr": 0.03, "weight_decay": 0.0}),
        arm("smoothing-sgd", {**SMOOTHED, "optimiser": "sgd", "lr": 0.03, "weight_decay": 0.0}),
    ),
    load=load_digits,
    train=classify,
    budgets={
        "smoke": SMOKE,
        "quick": Budget(steps=5_000),
        "standard": Budget(steps=15_000),
        "modern": Budget(steps=45_000, validations=60),
    },
    against="rotation",
)
