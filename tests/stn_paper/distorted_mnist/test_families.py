import pytest
import torch

import spatial_transformer as st
from stn_lab.models.build import count_parameters
from stn_paper.tables import TABLES

TABLE = TABLES["families"]
KINDS = {"PwA": st.PiecewiseAffine, "BSpline": st.BSpline, "Velocity": st.Velocity}


def test_the_columns_are_those_of_table_1():
    assert TABLE.columns == TABLES["table1"].columns
    assert TABLE.budgets == TABLES["table1"].budgets


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.name)
def test_a_row_is_named_for_its_family_and_as_large_as_those_of_table_1(row):
    scene = TABLE.columns["R"]
    network = row.build(scene, 64)
    assert type(network.transformer.family) is KINDS[row.name.rpartition("-")[2]]
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    plain = count_parameters(TABLES["table1"].rows[1].build(scene, 64))
    assert count_parameters(network) == pytest.approx(plain, rel=0.02)
