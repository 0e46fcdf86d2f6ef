"""Write the README's table of what was measured, from the files in results/."""

import json
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from experiments import EXPERIMENTS, Row

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- table: written by `make tables` -->\n", "<!-- end of table -->\n"

COLUMNS = ["task", "model", "error %, mean of seeds (each)", "parameters", "steps x batch", "ms/step", "of which data"]
COLUMNS += ["training, minutes"]


def table() -> str:
    head = _markdown(COLUMNS) + _markdown(["---"] * len(COLUMNS))
    return head + "".join(line for row in EXPERIMENTS for line in _lines(row)) + "\n" + _origin()


def _markdown(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _results(row: Row) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((HERE / row.name).glob("seed*.json"))]


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
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + table() + END + after)


if __name__ == "__main__":
    write()
