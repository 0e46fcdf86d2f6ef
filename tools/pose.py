"""Write the table in docs/pose.md from results/pose: every way to learn, its error, and what its transformer undoes."""

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "results" / "pose", ROOT / "docs" / "pose.md"
BEGIN, END = "<!-- table: written by `make tables` -->\n", "<!-- end of table -->\n"
HEAD = ("steps", "way to learn", "seeds", "error, %", "turns undone", "turns that remain, degrees")

Seeds = list[dict[str, Any]]


def read() -> dict[tuple[str, int, str], Seeds]:
    """Column, steps and way to learn to the results of its seeds."""
    found: dict[tuple[str, int, str], Seeds] = defaultdict(list)
    for path in sorted(RESULTS.glob("*.json")):
        way, column, budget, _ = path.stem.split("--")
        result = json.loads(path.read_text())
        if budget != "smoke":
            found[column, result["planned_steps"], way].append(result)
    return found


def mean(seeds: Seeds, *keys: str) -> float:
    def value(result: Any) -> float:
        for key in keys:
            result = result[key]
        return float(result)

    return statistics.fmean(map(value, seeds))


def table(column: str) -> str:
    """Of one column, most undone first."""
    rows = [(steps, way, seeds) for (where, steps, way), seeds in read().items() if where == column]
    rows.sort(key=lambda row: (row[0], -mean(row[2], "undone", "rotation", "share_percent")))
    lines = [HEAD, ("---",) * len(HEAD)]
    for steps, way, seeds in rows:
        error = f"{mean(seeds, 'error_percent'):.2f} ± {mean(seeds, 'standard_error') / len(seeds) ** 0.5:.2f}"
        undone, left = (mean(seeds, "undone", "rotation", key) for key in ("share_percent", "remaining_spread"))
        lines.append((f"{steps:,}", f"`{way}`", str(len(seeds)), error, f"{undone:.0f} %", f"{left:.0f}"))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables() -> str:
    columns = sorted({column for column, _, _ in read()})
    return "\n".join(f"### {column}\n\n{table(column)}" for column in columns)


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + tables() + "\n" + END + rest.split(END)[1])
