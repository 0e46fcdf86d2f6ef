"""What the README says is true: its code runs, its table is the one in results/, its links lead somewhere."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_library_example_runs():
    code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)  # tests of saved models run the other
    names = {}
    exec(code, names)
    assert names["turned"].shape == (8, 1, 32, 32)
    assert (names["warped"] - names["images"]).abs().max() < 1e-6


def test_the_tables_are_those_in_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    spec = importlib.util.spec_from_file_location("tables", ROOT / "tools" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    sys.modules.pop("experiments")
    demo = README.split(tables.BEGIN)[1].split(tables.END)[0]
    assert "| cnn |" in demo
    assert demo == tables.table()
    paper = README.split(tables.PAPER_BEGIN)[1].split(tables.PAPER_END)[0]
    assert "| ST-CNN-Aff |" in paper
    assert paper == tables.paper()


def test_the_page_of_learning_rates_is_the_one_of_results():
    spec = importlib.util.spec_from_file_location("defaults_tool", ROOT / "tools" / "defaults.py")
    sys.modules["defaults_tool"] = tool = importlib.util.module_from_spec(spec)  # where dataclasses look
    spec.loader.exec_module(tool)
    sys.modules.pop("defaults_tool")
    page = (ROOT / "docs" / "defaults.md").read_text()
    assert "| x 0.1 |" in page
    assert page == tool.page()


def test_the_table_of_the_colour_set_is_the_one_of_results():
    page = (ROOT / "docs" / "own-images.md").read_text()
    plain, looking, shorter = (
        json.loads((ROOT / "results" / "own-images" / f"{model}--seed0.json").read_text())
        for model in ("resnet", "st-resnet", "st-resnet--3500-steps")
    )
    assert f"| `resnet` | **{plain['error_percent']:.2f}** ± {plain['standard_error']:.2f} |" in page
    assert f"{shorter['boxes_found_percent']:.1f} % of the boxes were met" in page
    folder = ROOT / "results" / "own-images"
    cnn, st_cnn = (json.loads((folder / f"{name}--seed0.json").read_text()) for name in ("cnn", "st-cnn"))
    assert f"| `cnn` | {cnn['error_percent']:.2f} ± {cnn['standard_error']:.2f} |" in page
    seen = f"28 x 28 | {st_cnn['box_overlap_mean']:.2f} | {st_cnn['boxes_found_percent']:.1f} % |"
    assert f"| `st-cnn` | **{st_cnn['error_percent']:.2f}** ± {st_cnn['standard_error']:.2f} | {seen}" in page
    assert f"{st_cnn['ms_per_step'] / cnn['ms_per_step']:.2f} of the time" in page
    longer = json.loads((folder / "cnn--5000-steps--seed0.json").read_text())
    assert f"{longer['error_percent']:.2f} %" in page
    for path in folder.glob("st-cnn--paper-localiser--view*.json"):
        result, (_, _, view, rate, _) = json.loads(path.read_text()), path.stem.split("--")
        row = f"| {view[5:]} | {rate[3:]} | {result['steps']:,} | {result['error_percent']:.1f} |"
        assert row in page
        assert result["boxes_found_percent"] == 0
    error, iou = (looking["error_percent"], looking["standard_error"]), looking["box_overlap_mean"]
    assert f"| `st-resnet` | {error[0]:.2f} ± {error[1]:.2f} | 16 x 16 | {iou:.2f} |" in page
    assert f"| {looking['boxes_found_percent']:.1f} % |" in page


@pytest.mark.parametrize("model", ["cnn", "st-cnn", "resnet", "st-resnet"])
def test_what_is_said_of_photographs_is_in_results(model):
    result = json.loads((ROOT / "results" / "own-images" / f"{model}--seed0.json").read_text())
    (row,) = (line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| `{model}`,"))
    row = row.replace("*", "")
    assert f", {result['steps']:,} steps | {result['error_percent']:.2f} ± {result['standard_error']:.2f} |" in row
    assert (f"| {result['boxes_found_percent']:.1f} % |" if "boxes_found_percent" in result else "| |") in row


def test_the_answers_of_the_demo_under_load_are_those_of_results():
    page = " ".join((ROOT / "docs" / "own-images.md").read_text().split())
    load = json.loads((ROOT / "results" / "stn-demo" / "load.json").read_text())
    assert load["wrong"] == 0
    assert f"{load['clients']} clients that all brought images and moved sliders for a minute" in page
    assert load["seconds"] == 60
    assert f"got {load['answers']} answers, of which none was wrong" in page


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/index.md", "docs/conventions.md"])
def test_links_to_files_lead_somewhere(page):
    path = ROOT / page
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target
