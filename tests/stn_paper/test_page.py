"""The page is made of the files, and says what they say."""

from pathlib import Path

import pytest

from stn_paper import page
from stn_paper.compare import compare
from stn_paper.results import Results, estimate
from stn_paper.table import Cell
from stn_paper.tables import TABLES

from .conftest import made_up

ROOT = Path(__file__).parents[2]
TABLE1 = TABLES["table1"]


@pytest.fixture
def write(results):
    def write(row, column, *errors, budget="quick", **changes):
        (model,) = (model for model in TABLE1.rows if model.name == row)
        for seed, error in enumerate(errors):
            cell = Cell(TABLE1, model, column, budget, seed)
            settings = {"steps": cell.budget.steps, "batch_size": cell.budget.batch_size}
            results.write(cell, made_up(error, seed, **settings) | changes)

    return write


def fail(message):
    pytest.fail(message)


def test_the_page_is_the_one_that_the_files_in_results_make():
    docs = ROOT / "docs"
    assert (docs / "reproduction.md").read_text() == page.render(Results(ROOT / "results", fail), docs / "pictures")


def test_no_smoke_test_is_among_the_results():
    assert not list((ROOT / "results").glob("*/*--smoke--*"))


def test_a_cell_shows_ours_and_the_paper_s(results, write, tmp_path):
    write("CNN", "R", 1.3)
    write("ST-CNN-Aff", "R", 1.9)
    text = page.render(results, tmp_path)
    assert "| CNN | 🟢 **1.30** ± 0.10 (1.2) |" in text
    assert "| ST-CNN-Aff | 🟠 **1.90** ± 0.10 (0.7) |" in text
    assert "3,000 steps of 256; 1 seed; a processor, 1 thread, 32-true; torch 2.13.0; 2026-01-02." in text


def test_the_error_is_the_larger_of_seeds_and_test_set():
    assert estimate([made_up(1.0), made_up(3.0)], right=False).error == pytest.approx(1.0)
    assert estimate([made_up(1.0), made_up(1.0)], right=False).error == pytest.approx(0.1)
    assert estimate([made_up(30.0)], right=True).value == 70.0


def test_claims_are_made_when_their_cells_are_there(results, write, tmp_path):
    for row in TABLE1.rows:
        for column in TABLE1.columns:
            write(row.name, column, row.published[column])
    text = page.render(results, tmp_path)
    assert "✓ Every ST-CNN makes fewer errors than the CNN, in every column (quick)." in text
    assert "standard)" not in text
    write("ST-CNN-TPS", "E", 5.0)
    assert "✗ Every ST-CNN makes fewer errors" in page.render(results, tmp_path)


def test_what_is_undone_is_a_column_where_it_was_measured(results, write, tmp_path):
    write("ST-FCN-Aff", "R", 1.3)
    assert "undone" not in page.render(results, tmp_path)
    write("ST-CNN-Aff", "R", 1.3, 1.5, undone={"rotation": {"share_percent": 91.4}})
    write("ST-CNN-Aff", "RTS", 1.3, undone={"shift": {"share_percent": 98.0}, "scale": {"share_percent": 60.0}})
    text = page.render(results, tmp_path)
    assert "| undone |" in text
    assert "| R: turns 91 %; RTS: shifts 98 %, zooms 60 % |" in text


def test_errors_are_drawn_against_what_is_undone_where_a_table_asks_for_it(results, tmp_path):
    table = TABLES["pose"]
    for row, share in zip(table.rows[:2], (30.0, 90.0), strict=True):
        cell = Cell(table, row, "R", "quick", 0)
        undone = {"rotation": {"share_percent": share}}
        settings = {"steps": cell.budget.steps, "batch_size": cell.budget.batch_size}
        results.write(cell, made_up(1.5, **settings) | {"undone": undone})
    page.write(results, tmp_path / "page.md")
    assert "(pictures/reproduction-pose-undone-quick.svg)" in (tmp_path / "page.md").read_text()
    drawn = (tmp_path / "pictures" / "reproduction-pose-undone-quick.svg").read_text()
    assert all(f"<!-- {row.name} -->" in drawn for row in table.rows[:2])


def test_smoke_tests_are_not_shown(results, write, tmp_path):
    write("CNN", "R", 90.0, budget="smoke")
    assert "CNN" not in page.render(results, tmp_path)
    assert list(compare(results, TABLE1)) == []


def test_a_damaged_file_is_not_counted(results, write, warnings):
    write("CNN", "R", 1.0, 3.0)
    (results.folder / "table1" / "CNN--R--quick--seed1.json").write_text("{")
    (comparison,) = compare(results, TABLE1)
    assert comparison.ours.value == 1.0
    assert warnings


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 7},
        {"batch_size": 1},
        {"seed": 5},
        {"ms_per_step": 0},
        {"versions": {}},
        {"error_percent": -1.0},
        {"error_percent": 101.0},
        {"error_percent": float("inf")},
        {"error_percent": True},
        {"error_percent": 10**400},
        {"standard_error": -1.0},
        {"pixels_read_percent": None},
        {"pixels_read_percent": float("nan")},
        {"pixels_read_percent": "12"},
        {"undone": None},
        {"undone": {"rotation": {}}},
        {"undone": {"sideways": {"share_percent": 1.0}}},
        {"curves": None},
        {"curves": {}},
        {"curves": {"turned": {"amounts": [1, 2], "trained": [0, 1], "error_percent": [1.0]}}},
        {"curves": {"turned": {"amounts": ["1"], "trained": [0, 1], "error_percent": [1.0]}}},
    ],
)
def test_what_cannot_be_a_result_of_this_cell_is_not_counted(changes, results, write, warnings, tmp_path):
    write("CNN", "R", 1.0)
    write("FCN", "R", 1.0, **changes)
    text = page.render(results, tmp_path)
    assert "| CNN |" in text
    assert "| FCN |" not in text
    assert all("FCN--R--quick--seed0.json" in warning for warning in warnings)
    assert warnings


def test_a_file_nested_too_deep_is_not_counted(results, write, warnings):
    write("CNN", "R", 1.0)
    (results.folder / "table1" / "CNN--R--quick--seed0.json").write_text("[" * 100_000 + "]" * 100_000)
    assert list(compare(results, TABLE1)) == []
    assert warnings


def test_a_seed_counts_once(results, write):
    write("CNN", "R", 1.0)
    path = results.folder / "table1" / "CNN--R--quick--seed0.json"
    path.with_name("CNN--R--quick--seed00.json").write_bytes(path.read_bytes())
    (comparison,) = compare(results, TABLE1)
    assert len(comparison.results) == 1


def test_pictures_are_shown_when_they_are_drawn(results, write, tmp_path):
    write("ST-CNN-Aff", "R", 1.0)
    assert "![" not in page.render(results, tmp_path)
    name = page.picture_name("table1", "ST-CNN-Aff", "R")
    (tmp_path / name).touch()
    assert f"](pictures/{name})" in page.render(results, tmp_path)
