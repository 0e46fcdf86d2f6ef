import pytest
import torch
from torch import nn

from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.digits.sets import load
from stn_lab.tasks.scene_task import SceneTask
from stn_lab.training.config import Machine
from stn_lab.training.learner import Learner
from stn_paper.table import Cell, Estimate
from stn_paper.tables import TABLES

TABLE = TABLES["volumes"]


@pytest.mark.parametrize(("with_it", "holds"), [(4.0, True), (5.0, True), (5.1, False)])
def test_the_claim_is_half_of_the_errors(with_it, holds):
    (claim,) = TABLE.claims
    assert claim.holds({("CNN", "3D"): Estimate(10.0, 0.3), ("ST-CNN", "3D"): Estimate(with_it, 0.2)}) is holds


def test_the_paper_has_no_numbers():
    assert not any(row.published for row in TABLE.rows)


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.name)
def test_a_cell_is_trained_and_measured(row, tmp_path):
    cell = Cell(TABLE, row, "3D", "smoke", 0)
    result = TABLE.train(cell, load("digits"), tmp_path, Machine(accelerator="cpu"))
    assert result["test_images"] == 500
    assert (result["localiser_parameters"] > 0) == (row.name == "ST-CNN")


def test_layers_for_volumes_keep_their_memory_format_in_training():
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten(0, 1), nn.Conv2d(2, 4, 3))
    Learner(network, SceneTask(load("digits"), DISTORTIONS["R"]))
    assert network[0].weight.is_contiguous()
    assert network[2].weight.is_contiguous(memory_format=torch.channels_last)
