import pytest
import torch

from stn_lab.digits.sets import load
from stn_lab.models.build import count_parameters
from stn_lab.training.config import Machine
from stn_paper.table import Cell, Estimate
from stn_paper.tables import TABLES

TABLE = TABLES["glimpses"]
ROWS = {row.name: row for row in TABLE.rows}
SCENE = TABLE.columns["TC"]


@pytest.mark.parametrize("side", [28, 20, 14, 10])
def test_the_classifier_is_given_a_small_picture_and_nothing_else(side):
    network = ROWS[f"ST-FCN-Aff-{side}px"].build(SCENE, 64)
    images = torch.rand(2, 1, 60, 60)
    assert network.transformer(images).shape == (2, 1, side, side)
    torch.testing.assert_close(network(images), network.classifier(network.transformer(images)))


def test_networks_are_of_one_size():
    sizes = [count_parameters(row.build(SCENE, 64)) for row in TABLE.rows]
    assert max(sizes) < 1.02 * min(sizes)


@pytest.mark.parametrize(("few", "holds"), [(9.0, True), (11.0, False)])
def test_the_claim(few, holds):
    (claim,) = TABLE.claims
    assert claim.holds({("FCN", "TC"): Estimate(20.0, 0.4), ("ST-FCN-Aff-20px", "TC"): Estimate(few, 0.2)}) is holds


@pytest.mark.parametrize(("name", "given"), [("FCN", None), ("ST-FCN-Aff-20px", 100 / 9)])
def test_what_is_given_is_measured(name, given, tmp_path):
    cell = Cell(TABLE, ROWS[name], "TC", "smoke", 0)
    result = TABLE.train(cell, load("digits"), tmp_path, Machine(accelerator="cpu"))
    assert result.get("pixels_given_percent") == (None if given is None else pytest.approx(given))
