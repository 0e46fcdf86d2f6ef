"""docs/alignment.md: its tables, from what `stn bench --parts alignment` measured.

`stn bench --parts alignment --output results/registration/alignment.json` aligns the pairs (an hour on two cores; let
nothing else run), `python tools/alignment_benchmark.py` writes the page from that file.
"""

import json
from pathlib import Path

from stn_bench.alignment.page import tables

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "registration" / "alignment.json"
PAGE = ROOT / "docs" / "alignment.md"
BEGIN, END = "<!-- tables: written by `python tools/alignment_benchmark.py` -->\n", "<!-- end of tables -->\n"


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + tables(json.loads(RESULTS.read_text())) + END + rest.split(END)[1])


if __name__ == "__main__":
    write_page()
