import pytest
from torch import nn

from stn_lab.digits.invariance import SWEEPS, error_curve
from stn_lab.digits.sets import load
from stn_lab.training.config import Machine
from stn_paper import page
from stn_paper.distorted_mnist.invariance import AMOUNTS
from stn_paper.results import Results
from stn_paper.table import Cell
from stn_paper.tables import TABLES

TABLE = TABLES["invariance"]


def test_amounts_go_beyond_what_was_trained():
    assert set(AMOUNTS) == set(SWEEPS)
    for kind, (low, high) in TABLE.columns["RTS"].range.items():
        _, amounts = AMOUNTS[kind]
        assert min(amounts) < low < high < max(amounts)
        assert amounts == sorted(amounts)


def test_a_curve_has_an_error_for_each_amount():
    class SaysZero(nn.Module):
        def forward(self, images):
            return nn.functional.one_hot(images.new_zeros(len(images)).long(), 10).float()

    digits = load("digits").test
    wrong = 100 * (digits.labels != 0).float().mean().item()
    assert error_curve(SaysZero(), digits, 42, "rotation", [0.0, 30.0]) == pytest.approx([wrong, wrong])


def test_curves_are_measured_and_shown(tmp_path):
    cell = Cell(TABLE, TABLE.rows[0], "RTS", "smoke", 0)
    result = TABLE.train(cell, load("digits"), tmp_path / "work", Machine(accelerator="cpu"))
    assert list(result["curves"]) == [said for said, _ in AMOUNTS.values()]
    results = Results(tmp_path / "results", pytest.fail)
    quick = Cell(TABLE, TABLE.rows[0], "RTS", "quick", 0)
    results.write(quick, result | {"steps": quick.budget.steps, "batch_size": quick.budget.batch_size})
    page.write(results, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    picture = tmp_path / "pictures" / "reproduction-invariance-quick.svg"
    assert f"(pictures/{picture.name})" in text
    assert picture.stat().st_size > 1000
    assert "of digits that are all turned, degrees (quick):" in text
    errors = result["curves"]["turned, degrees"]["error_percent"]
    assert f"| FCN | {' | '.join(f'{error:.1f}' for error in errors)} |" in text
