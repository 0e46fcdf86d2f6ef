"""docs/drop-in.md, docs/deploy.md and docs/pose.md say what is measured in results/, and no more."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["drop_in", "export_table"])
def test_a_page_has_the_table_of_its_results(name):
    module = tool(name)
    between = module.PAGE.read_text().split(module.BEGIN)[1].split(module.END)[0]
    results = module.rows() if name == "export_table" else json.loads(module.RESULTS.read_text())
    assert between == module.table(results)


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
