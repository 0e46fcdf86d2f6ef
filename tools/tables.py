"""Write the README's tables from the files in results/: Table 1 of the paper, and what `make demo` trains."""

import json
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from experiments import EXPERIMENTS, Row

from stn_paper.compare import Comparison, compare
from stn_paper.page import number
from stn_paper.results import Results
from stn_paper.tables import TABLES

RESULTS = Path(__file__).parent.parent / "results"
README = RESULTS.parent / "README.md"
BEGIN, END = "<!-- table: written by `make tables` -->\n", "<!-- end of table -->\n"
PAPER_BEGIN, PAPER_END = "<!-- paper: written by `make tables` -->\n", "<!-- end of paper -->\n"

COLUMNS = ["task", "model", "error %, mean of seeds (each)", "parameters", "steps x batch", "ms/step", "of which data"]
COLUMNS += ["training, minutes"]


def paper() -> str:
    """Table 1 of the paper, each cell at the largest budget that it was run with."""
    table = TABLES["table1"]
    best: dict[tuple[str, str], Comparison] = {}
    for comparison in compare(Results(RESULTS, print), table):  # smaller budgets come first
        best[comparison.row, comparison.column] = comparison
    head = _markdown(["", *table.columns]) + _markdown(["---"] * (1 + len(table.columns)))
    rows = dict.fromkeys(row for row, _ in best)
    return head + "".join(
        _markdown([row, *(_cell(best.get((row, column))) for column in table.columns)]) for row in rows
    )


def _cell(comparison: Comparison | None) -> str:
    return "" if comparison is None else f"{number(comparison)}, {comparison.budget}"


def table() -> str:
    head = _markdown(COLUMNS) + _markdown(["---"] * len(COLUMNS))
    return head + "".join(line for row in EXPERIMENTS for line in _lines(row)) + "\n" + _origin()


def _markdown(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _results(row: Row) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((RESULTS / row.name).glob("seed*.json"))]


def _lines(row: Row) -> list[str]:
    results = _results(row)
    return [_line(row, label, [result[label] for result in results]) for label in (results[0] if results else ())]


def _line(row: Row, label: str, runs: list[dict[str, Any]]) -> str:
    errors = [run["error_percent"] for run in runs]
    spread = f" ± {stdev(errors) / len(errors) ** 0.5:.2f}" if len(errors) > 1 else ""
    each = ", ".join(f"{error:.2f}" for error in errors)
    step, data, seconds = (median(run[key] for run in runs) for key in ("ms_per_step", "data_ms_per_step", "seconds"))
    cells = [
        row.title,
        label,
        f"**{mean(errors):.2f}{spread}** ({each})",
        f"{runs[0]['parameters']:,}",
        f"{runs[0]['steps']:,} x {runs[0]['batch_size']}",
        f"{step:.0f}",
        f"{100 * data / step:.0f} %",
        f"{seconds / 60:.1f}",
    ]
    return _markdown(cells)


def _origin() -> str:
    runs = [run for row in EXPERIMENTS for result in _results(row) for run in result.values()]
    devices = sorted({f"{run['device']}, {run['threads']} thread{'s' * (run['threads'] > 1)}" for run in runs})
    dates = sorted(run["date"][:10] for run in runs)
    versions = sorted({f"torch {run['versions']['torch']}" for run in runs})
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{'; '.join(devices)}; {', '.join(versions)}; {span}. ± is the standard error over seeds.\n"


def write(readme: Path = README) -> None:
    text = readme.read_text()
    for begin, block, end in ((PAPER_BEGIN, paper(), PAPER_END), (BEGIN, table(), END)):
        before, rest = text.split(begin)
        text = before + begin + block + end + rest.split(end)[1]
    readme.write_text(text)


if __name__ == "__main__":
    write()
