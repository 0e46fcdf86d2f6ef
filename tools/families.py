"""Write the table in docs/families.md: what can be done with each family, as its tests say.

Runs tests/spatial_transformer/families/test_capabilities.py and turns its outcome into the table. A test that fails
leaves its reason in the table instead of a tick.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
TESTS = "tests/spatial_transformer/families/test_capabilities.py"
PAGE = ROOT / "docs" / "families.md"
BEGIN, END = "<!-- table: written by `make families` -->\n", "<!-- end of table -->\n"
COLUMNS = {
    "identity": "identity exact",
    "gradcheck": "gradcheck",
    "gradgradcheck": "gradgradcheck",
    "forward_mode": "forward-mode AD",
    "vmap": "vmap",
    "compile": "torch.compile (fullgraph)",
    "export": "torch.export",
}


def outcomes() -> dict[str, dict[str, str]]:
    """Family to column to a tick or a reason."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run([sys.executable, "-m", "pytest", "-q", TESTS, f"--junitxml={report}"], cwd=ROOT, check=False)
        cases = ElementTree.parse(report).iter("testcase")
        rows: dict[str, dict[str, str]] = {}
        for case in cases:
            column, family = re.fullmatch(r"test_(\w+)\[(.+)\]", case.attrib["name"], re.DOTALL).groups()  # type: ignore[union-attr]
            failure = case.find("failure")
            reason = "✓" if failure is None else failure.attrib["message"].splitlines()[0]
            rows.setdefault(_name(family), {})[column] = reason
    return rows


def _name(family: str) -> str:
    """How a family prints itself, on one line; pytest writes some of its line breaks as a backslash and an n."""
    return re.sub(r"(\s|\\+n)+", " ", family)


def table() -> str:
    lines = [["family", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    lines += [[f"`{family}`", *(row.get(column, "") for column in COLUMNS)] for family, row in outcomes().items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.split(END)[1])
