"""Pages on what networks are good for say what is measured in results/, and no more."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITTEN = {  # what a tool writes into its page, of the results that there are
    "drop_in": lambda tool: tool.table(json.loads(tool.RESULTS.read_text())),
    "export_table": lambda tool: tool.table(tool.rows()),
    "colocalise_accuracy": lambda tool: f"\n{tool.tables(tool.measured())}\n",
    "many_files": lambda tool: tool.words(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_page_has_the_table_of_its_results(name):
    module = tool(name)
    between = module.PAGE.read_text().split(module.BEGIN)[1].split(module.END)[0]
    assert between == WRITTEN[name](module)


def test_processes_that_share_files_write_what_one_writes():
    found = json.loads((tool("many_files").RESULTS / "processes.json").read_text())
    assert found["different"] == 0


def test_a_score_that_knows_has_a_high_auc():
    module = tool("colocalise_accuracy")
    score, right = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    assert module.auc(score, right) == (3 + 0.5) / 4
    line = module.calibration("x", [{"iou": [0.9, 0.6, 0.2], "score": [1.0, 0.9, 0.1]}])
    assert line == "| x | 0 % of 1 | none | none | none | 100 % of 2 |"


def test_the_page_of_pose_has_every_way_that_was_tried():
    module = tool("pose")
    between = module.PAGE.read_text().split(module.BEGIN)[1].split(module.END)[0]
    assert between.strip() == module.tables().strip()
    assert between.count("\n| 5,000 |") >= 13


def test_what_is_exported_differs_by_no_more_than_is_promised():
    module = tool("export_table")
    for row in module.rows():
        assert max(row[key] for key in ("torch_fixed", "torch_open", "onnx_fixed", "onnx_open")) <= module.LARGEST, row


def test_networks_are_as_exact_in_a_block_and_none_is_much_slower():
    for row in json.loads(tool("drop_in").RESULTS.read_text())["rows"]:
        assert row["largest_difference"] < 1e-5, row
        for key in ("forward_ms", "forward_and_backward_ms"):
            assert row[key]["ours"] < 1.1 * row[key]["torch"], row  # a tenth is what other work on a machine makes
