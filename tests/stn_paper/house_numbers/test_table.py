import pytest
import torch
from torch import nn

from stn_lab.digits.sets import load
from stn_lab.training.config import Machine
from stn_paper.house_numbers import table as house_numbers
from stn_paper.house_numbers.table import step_overhead
from stn_paper.table import Cell, Estimate
from stn_paper.tables import TABLES

PUBLISHED = {"CNN": (4.0, 5.6), "ST-CNN-Single": (3.7, 3.9), "ST-CNN-Multi": (3.6, 3.9)}


def test_the_numbers_are_the_paper_s_and_the_stand_in_has_none():
    table = TABLES["table2"]
    assert {row.name: (row.published["64px"], row.published["128px"]) for row in table.rows} == PUBLISHED
    assert not any(row.published for row in TABLES["table2-synthetic"].rows)
    assert "ynthetic" in TABLES["table2-synthetic"].title


def test_the_paper_s_budget():
    budget = TABLES["table2"].budgets["paper"]
    assert (budget.steps, budget.batch_size, budget.lr, budget.drops) == (400_000, 128, 0.01, 4)
    assert (budget.weight_decay, budget.localiser_lr_scale, budget.filters) == (5e-4, 0.1, 48)


def test_the_claim():
    def measured(numbers):
        return {(row, "128px"): Estimate(loose, 0.2) for row, (_, loose) in numbers.items()}

    (claim,) = TABLES["table2"].claims
    assert claim.holds(measured(PUBLISHED))
    assert not claim.holds(measured(PUBLISHED | {"ST-CNN-Multi": (3.6, 5.3)}))


def test_overhead_is_that_of_a_longer_step():
    class Slow(nn.Linear):
        def forward(self, x):
            for _ in range(30):
                torch.linalg.inv(torch.rand(200, 200))
            return super().forward(x)

    images, labels = torch.rand(4, 8), torch.zeros(4, dtype=torch.long)
    assert step_overhead(Slow(8, 3), nn.Linear(8, 3), images, labels) > 100
    assert step_overhead(nn.Linear(8, 3), nn.Linear(8, 3), images, labels) == pytest.approx(0, abs=90)


@pytest.mark.parametrize("name", ["CNN", "ST-CNN-Multi"])
def test_a_cell_is_trained_and_its_steps_are_timed(name, tmp_path, monkeypatch):
    monkeypatch.setattr(house_numbers, "TIMED", 1)
    table = TABLES["table2-synthetic"]
    (row,) = (row for row in table.rows if row.name == name)
    result = table.train(Cell(table, row, "64px", "smoke", 0), load("digits"), tmp_path, Machine(accelerator="cpu"))
    assert result["test_images"] == 500
    assert ("step_overhead_percent" in result) == (row.name != "CNN")
