import pytest
import torch
from torch import nn

from stn_paper.table import Cell
from stn_paper.tables import TABLES

TABLE = TABLES["pose"]


def row(name):
    (found,) = (row for row in TABLE.rows if row.name == name)
    return found


@pytest.mark.parametrize(
    ("name", "learnt"),
    [
        ("x1", {"localiser_lr_scale": 1.0, "label_smoothing": 0.0, "optimiser": "adamw"}),
        ("smoothing-x0.5", {"localiser_lr_scale": 0.5, "label_smoothing": 0.1}),
        ("smoothing-sgd", {"label_smoothing": 0.1, "optimiser": "sgd"}),
    ],
)
def test_a_row_is_learnt_as_it_is_called(name, learnt):
    budget = Cell(TABLE, row(name), "R", "standard", 3).budget
    assert {key: getattr(budget, key) for key in learnt} == learnt
    assert (budget.steps, budget.seed) == (15_000, 3)


def test_names_are_apart():
    assert len({row.name for row in TABLE.rows}) == len(TABLE.rows)


def test_dropout_is_behind_the_hidden_layers_of_the_classifier_alone():
    network = row("dropout-0.2").build(TABLE.columns["R"], 64)
    kinds = [type(layer) for layer in network.classifier]
    assert kinds == [nn.Flatten, *2 * [nn.Linear, nn.ReLU, nn.Dropout], nn.Linear]
    assert not any(isinstance(layer, nn.Dropout) for layer in network.transformer.modules())
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)
