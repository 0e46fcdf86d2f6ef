"""docs/alignment.md: its tables, from what `stn bench --parts alignment` measured.

`stn bench --parts alignment --pairs 200 --output results/registration/alignment.json` aligns the pairs (hours; it goes
on where it was stopped), the same with `--pairs 6 --output results/registration/alignment_seconds.json`, while nothing
else runs, says how long one takes, and `python tools/alignment_benchmark.py` writes the page from both files.
"""

import json
from pathlib import Path
from typing import Any

from stn_bench.alignment.page import tables

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "registration" / "alignment.json"
TIMED = ROOT / "results" / "registration" / "alignment_seconds.json"
PAGE = ROOT / "docs" / "alignment.md"
BEGIN, END = "<!-- tables: written by `python tools/alignment_benchmark.py` -->\n", "<!-- end of tables -->\n"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + tables(*map(read, (RESULTS, TIMED))) + END + rest.split(END)[1])


if __name__ == "__main__":
    write_page()
