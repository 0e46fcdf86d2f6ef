"""What the README says is true: its code runs, its table is the one in results/, its links lead somewhere."""

import importlib.util
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


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/index.md", "docs/conventions.md"])
def test_links_to_files_lead_somewhere(page):
    path = ROOT / page
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target
