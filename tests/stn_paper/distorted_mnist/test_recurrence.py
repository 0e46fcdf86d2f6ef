import pytest
import torch

from stn_lab.models.build import count_parameters
from stn_paper.table import Estimate
from stn_paper.tables import TABLES

TABLE = TABLES["recurrence"]
ROWS = {row.name: row for row in TABLE.rows}


@pytest.mark.parametrize("network", ["FCN", "CNN"])
@pytest.mark.parametrize("looks", [1, 2, 4])
def test_looks_share_one_localisation_network(network, looks):
    scene = TABLE.columns["H"]
    often, once = (ROWS[f"ST-{network}-Proj-{count}"].build(scene, 64) for count in (looks, 1))
    assert often.transformer.steps == looks
    assert count_parameters(often) == count_parameters(once)
    assert often(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(("four", "holds"), [(3.0, True), (3.8, False), (5.0, False)])
def test_the_claim_asks_for_two_standard_errors(four, holds):
    (claim,) = TABLE.claims
    measured = {("ST-FCN-Proj-1", "H"): Estimate(4.0, 0.2), ("ST-FCN-Proj-4", "H"): Estimate(four, 0.2)}
    assert claim.holds(measured) is holds
