import pytest
import torch

from spatial_transformer import ParallelTransformers
from stn_lab.models.build import count_parameters
from stn_paper.table import Estimate
from stn_paper.tables import TABLES

TABLE = TABLES["table4"]
ROWS = {row.name: row for row in TABLE.rows}
PUBLISHED = {
    "FCN": 47.7, "CNN": 14.7, "ST-FCN-Aff": 22.6, "ST-FCN-Proj": 18.5, "ST-FCN-TPS": 19.1,
    "2xST-FCN-Aff": 9.0, "2xST-FCN-Proj": 5.9, "2xST-FCN-TPS": 5.8,
}  # fmt: skip


def test_the_numbers_are_the_paper_s():
    assert {row.name: row.published["RTS"] for row in TABLE.rows if row.published} == PUBLISHED


@pytest.mark.parametrize("row", TABLE.rows, ids=ROWS)
def test_pairs_become_19_logits(row):
    assert row.build(TABLE.columns["RTS"], 64)(torch.rand(2, 2, 42, 42)).shape == (2, 19)


def test_networks_are_of_one_size():
    sizes = [count_parameters(row.build(TABLE.columns["RTS"], 64)) for row in TABLE.rows]
    assert max(sizes) < 1.03 * min(sizes)


@pytest.mark.parametrize("name", ["2xST-FCN-Aff", "2xST-FCN-Proj", "2xST-CNN-TPS"])
def test_two_transformers_each_see_and_move_both_channels_and_begin_near_the_identity(name):
    network = ROWS[name].build(TABLE.columns["RTS"], 64)
    transformers = network.transformer
    assert isinstance(transformers, ParallelTransformers)
    assert len(transformers.localisers) == 2
    images = torch.rand(3, 2, 42, 42)
    warped, theta = transformers(images, return_theta=True)
    assert warped.shape == (3, 2, 2, 42, 42)
    identity = transformers.family.identity(1)
    assert (theta - identity).abs().max() < 0.11
    assert not torch.allclose(theta[:, 0], theta[:, 1])


def test_the_paper_s_numbers_bear_out_the_claims():
    measured = {(row, "RTS"): Estimate(value, 0.1) for row, value in PUBLISHED.items()}
    assert all(claim.holds(measured) for claim in TABLE.claims)
    assert not TABLE.claims[0].holds(measured | {("2xST-FCN-TPS", "RTS"): Estimate(15.0, 0.1)})


@pytest.mark.parametrize("row", TABLE.rows, ids=ROWS)
def test_localisation_networks_leave_enough_for_the_classifier(row):
    hidden = row.build(TABLE.columns["RTS"], 64).classifier[-1].in_features
    assert hidden > 3 * TABLE.columns["RTS"].classes
