"""What is written and drawn about a result; and that the pages in docs/ say what results/benchmarks/ holds."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from stn_bench import chart, page, scaling_page
from stn_bench.cost_model import models, share_close
from stn_bench.goals import goals
from stn_bench.result import SCHEMA, Result, geometric_mean
from stn_bench.rows import MATRIX
from stn_lab.errors import UserError
from stn_lab.views.figures import save

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("benchmarks", ROOT / "tools" / "benchmarks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_say_what_was_measured(program):
    pages = program.pages()
    assert {"README.md", "benchmarks.md", "scaling.md"} <= {path.name for path in pages}
    for path, text in pages.items():
        assert path.read_text() == text, f"{path.name} is not what results/benchmarks/ holds: run `make tables`"
    assert all((ROOT / "docs" / picture).exists() for picture in (page.PICTURE, scaling_page.PICTURE))


def test_other_devices_have_pages_of_their_own(program, result, tmp_path, monkeypatch):
    for name in ("cpu", "cuda"):
        result.write(tmp_path / f"{name}.json")
    monkeypatch.setattr(program, "RESULTS", tmp_path)
    (gpu,) = [text for path, text in program.pages().items() if path.name == "benchmarks-cuda.md"]
    assert "pictures/benchmarks-cuda.svg" in gpu


def test_a_result_is_read_as_it_was_written(result, tmp_path):
    result.write(tmp_path / "new" / "result.json")
    again = Result.read(tmp_path / "new" / "result.json")
    assert again.rows == result.rows
    assert again.memory == result.memory
    assert again.cold_start == result.cold_start
    assert again.cells[7] == replace(
        result.cells[7], median_ms=again.cells[7].median_ms, quartiles_ms=again.cells[7].quartiles_ms
    )
    assert again.cells[7].median_ms == pytest.approx(result.cells[7].median_ms, rel=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no result"),
        ("[]", "is no result"),
        ('{"schema": 1}', "is no result"),
        (json.dumps({"schema": SCHEMA + 1}), f"this version reads {SCHEMA}"),
    ],
)
def test_other_files_are_refused(tmp_path, content, words):
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(UserError, match=words):
        Result.read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        Result.read(tmp_path / "result.json")


def test_ratios_are_theirs_over_ours(result):
    assert result.ratio(MATRIX[0], "forward") == pytest.approx(6)
    assert result.ratio(MATRIX[0], "forward", "OpenCV", threads=1) == pytest.approx(0.5)
    assert result.ratio(MATRIX[0], "forward", "SciPy") is None
    assert geometric_mean([1, 4]) == pytest.approx(2)
    assert geometric_mean([]) is None


def test_goals_met_and_missed(result):
    values = {goal.words: (goal.measure(result), goal) for goal in goals(result)}
    assert [words for words, (value, _) in values.items() if value is None] == [
        "short calls and few channels, against torch: the worst of all cells"  # of which this result has none
    ]
    met = {words: goal.met(value) for words, (value, goal) in values.items() if value is not None}
    assert values["against torch, forward: geometric mean over the matrix"][0] == pytest.approx(6)
    assert values["memory of a matrix warp beyond outputs and gradients, per thread"][0] == pytest.approx(0.25)
    assert not met["against OpenCV, forward: the worst row"]
    assert not met["large images, forward: time over that of memcpy"]
    assert not met["the same with a warm cache"]
    assert sum(met.values()) == len(met) - 3


def test_goals_of_a_gpu_are_others(result):
    result.origin = result.origin | {"device_type": "cuda"}
    assert "deterministic" in goals(result)[-1].words
    assert goals(result)[0].measure(result) == pytest.approx(6)


def test_the_page_has_every_row_and_marks_losses(result):
    text = page.page(result)
    assert all(f"| {row.name} |" in text for row in MATRIX)
    assert "▼ 0.5x" in text  # OpenCV
    assert "▼ 6x" not in text
    assert "ours 4x" in text  # the floor, which is no loss
    assert "**▼ missed**" in text
    assert "SciPy (scipy is not installed)." in text
    assert "busy" not in text
    assert "| 256x1x42x42 | forward + both gradients | 10.00 | 0.50 | 30.00 |" in text


def test_a_busy_machine_is_mentioned(result):
    result.origin = result.origin | {"load": 1.5}
    assert "its load was 1.5" in page.page(result)


def test_a_result_of_a_few_rows_makes_pages_too(result):
    few = [cell for cell in result.cells if cell.row == MATRIX[0].name and cell.part == "matrix"]
    small = Result(result.origin, [MATRIX[0]], few)
    assert "not measured" in page.page(small)
    assert "## Memory" not in page.page(small)
    assert "## Batch" not in scaling_page.page(small)
    assert "have not been measured yet" in scaling_page.page(small)
    assert len(chart.bars(small).axes) == 2
    assert chart.curves(small, scaling_page.predicted(small)).axes


def test_the_readme_has_a_line_for_every_library(result):
    text = page.readme_block(result)
    assert "| torch: `affine_grid` + `grid_sample` | 6x | 6x | 6x | 6x |" in text
    assert "| OpenCV | **▼ 0.5x** | **▼ 0.5x** | " in text
    assert "memcpy" not in text
    measured = [goal for goal in goals(result) if goal.measure(result) is not None]
    assert f"{len(measured) - 3} of {len(measured)}" in text


def test_the_cost_model_finds_the_numbers_behind_the_times(result):
    found = models(result)
    assert set(found) == {
        (group, name) for group in ("images", "images, many channels last", "volumes") for name in ("forward", "both")
    }
    close, total = share_close(list(found.values()))
    assert close == total > 30
    call, _, sample, value, _ = found["images", "forward"].model.coefficients
    assert call == pytest.approx(100, rel=0.02)
    assert sample + 3 * value == pytest.approx(30, rel=0.02)


def test_the_cost_model_is_checked_on_points_it_has_not_seen(result):
    odd = [replace(c, median_ms=2 * c.median_ms) if c.row == "2x3x128x128" else c for c in result.cells]
    found = models(Result(result.origin, result.rows, odd))
    close, total = share_close(list(found.values()))
    assert close == total - 2  # one point of two passes
    assert "-50 %" in scaling_page.page(Result(result.origin, result.rows, odd))


def test_the_scaling_page_has_every_curve_and_labels_predictions(result):
    text = scaling_page.page(result)
    assert all(f"## {title}\n" in text for title in scaling_page.TITLES.values())
    assert text.count(": a prediction\n") == 3
    assert "| 1x3x1024x1024 | 1 |" in text


def test_pictures_are_the_same_for_the_same_result(result, tmp_path):
    for name, draw in {
        "bars.png": lambda: chart.bars(result),
        "curves.svg": lambda: chart.curves(result, scaling_page.predicted(result)),
    }.items():
        paths = [tmp_path / f"{k}{name}" for k in range(2)]
        for path in paths:
            save(draw(), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert paths[0].stat().st_size > 10_000


def test_bars_below_one_are_red_and_say_so(result):
    swapped = [
        replace(c, median_ms=c.median_ms / 10) if c.peer == "torch" and c.row == "256x1x42x42" else c
        for c in result.cells
    ]
    panels = chart.bars(Result(result.origin, result.rows, swapped)).axes
    for panel in panels:
        first, second = panel.patches[:2]
        assert first.get_hatch()
        assert not second.get_hatch()
        assert panel.texts[0].get_text() == "0.6x"
