"""docs/reproduction.md: the paper's tables with our numbers in them, made of the result files and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from stn_lab.errors import UserError
from stn_lab.views.wording import duration

from .compare import Comparison, claims, compare
from .curves import draw, scatter, swept, undoing
from .results import MEASURED, UNDONE, Result, Results
from .table import BUDGETS, BudgetName, Table
from .tables import TABLES

COSTS = ["parameters", "ms/step", "of which data", "training"]
MARKS = {"as good": "🟢", "worse": "🟠", "unpublished": "⚪"}

HEAD = """# The paper, reproduced

Every number of the paper beside ours. **Ours** is the mean over seeds ± its standard error: the larger of what the size
of the test set leaves open and what differs between seeds. The paper's number follows in brackets.

🟢 as good as the paper's, or better, within two standard errors · 🟠 worse · ⚪ the paper has no number

Budgets: *quick*, *standard* and *paper* take more and more steps, in most tables a fiftieth of the paper's, a tenth,
and as many; how many stands below the numbers. *modern*: the same networks and images, learnt by a recipe of today.
What the paper leaves open, and what is chosen here, stands at the head of each table's file in `src/stn_paper`.
`stn reproduce TABLE --budget quick` runs what is missing and writes this page from the files in `results/`; `stn
reproduce --page-only` writes it.
"""


def render(results: Results, pictures: Path) -> str:
    """The page as Markdown.

    Args:
        results: the files.
        pictures: a folder beside the page; what lies in it under the name of a pictured cell is shown.
    """
    sections = (_section(table, list(compare(results, table)), pictures) for table in TABLES.values())
    return "\n".join([HEAD, *(section for section in sections if section)])


def write(results: Results, page: Path) -> None:
    """Write the page, all of it or nothing.

    Raises:
        UserError: it cannot be written.
    """
    unfinished = page.with_suffix(f".{os.getpid()}.part")
    try:
        _draw_curves(results, page.parent / "pictures")
        page.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(render(results, page.parent / "pictures"), encoding="utf-8")
        unfinished.replace(page)
    except OSError as error:
        raise UserError(f"{page} cannot be written: {error.strerror}") from error


def _draw_curves(results: Results, pictures: Path) -> None:
    for table in TABLES.values():
        comparisons = list(compare(results, table))
        for budget in BUDGETS[1:]:
            if rows := swept(comparisons, budget):
                draw(rows, pictures / curves_name(table, budget))
            if table.against and (points := undoing(comparisons, budget, table.against)):
                scatter(points, UNDONE[table.against], pictures / chart_name(table, budget))


def curves_name(table: Table, budget: BudgetName) -> str:
    """Of the file that shows the curves of a table."""
    return f"reproduction-{table.name}-{budget}.svg"


def chart_name(table: Table, budget: BudgetName) -> str:
    """Of the file that shows errors against what is undone."""
    return f"reproduction-{table.name}-undone-{budget}.svg"


def picture_name(table: str, row: str, column: str) -> str:
    """Of the file that shows what the transformer of a cell sees."""
    return f"reproduction-{table}-{row}-{column}.png"


def _section(table: Table, comparisons: list[Comparison], pictures: Path) -> str:
    if not comparisons:
        return ""
    lines = [f"## {table.title}", "", " ".join(table.source.split()), ""]
    for budget in BUDGETS[1:]:
        of_budget = [comparison for comparison in comparisons if comparison.budget == budget]
        if of_budget:
            lines += [*_numbers(table, budget, of_budget), ""]
    checked = [f"- {'✓' if holds else '✗'} {text} ({budget})." for budget, text, holds in claims(comparisons, table)]
    lines += [*checked, ""] if checked else []
    lines += [line for budget in BUDGETS[1:] for line in _curves(table, budget, comparisons)]
    lines += [line for budget in BUDGETS[1:] for line in _chart(table, budget, comparisons)]
    lines += _pictures(table, pictures)
    return "\n".join(lines)


def _numbers(table: Table, budget: BudgetName, comparisons: list[Comparison]) -> Iterator[str]:
    cells = {(comparison.row, comparison.column): comparison for comparison in comparisons}
    rows = dict.fromkeys(comparison.row for comparison in comparisons)
    yield f"### {table.name}, {budget}"
    yield ""
    measured = [key for key in MEASURED if any(key in result for c in comparisons for result in c.results)]
    said = any("undone" in result for c in comparisons for result in c.results)
    head = ["", *table.columns, *COSTS, *(MEASURED[key] for key in measured), *(["undone"] if said else [])]
    yield _line(head)
    yield _line(["---"] * len(head))
    for row in rows:
        found = [cells.get((row, column)) for column in table.columns]
        results = [result for comparison in found if comparison is not None for result in comparison.results]
        extra = [*(_median(results, key) for key in measured), *([_undone(found)] if said else [])]
        yield _line([row, *map(number, found), *_costs(results), *extra])
    yield ""
    yield _origin(comparisons)


def number(comparison: Comparison | None) -> str:
    """How a cell is printed: agreement, ours ± its standard error, and the paper's in brackets; nothing for no cell."""
    if comparison is None:
        return ""
    digits = 1 if comparison.ours.error >= 0.5 else 2
    ours = f"**{comparison.ours.value:.{digits}f}** ± {comparison.ours.error:.{digits}f}"
    paper = "" if comparison.published is None else f" ({comparison.published:g})"
    return f"{MARKS[comparison.agreement]} {ours}{paper}"


def _costs(results: list[Result]) -> list[str]:
    """What `COSTS` names: parameters, and medians over columns and seeds."""
    sizes = sorted({result["parameters"] for result in results})
    step, data, seconds = (median(r[key] for r in results) for key in ("ms_per_step", "data_ms_per_step", "seconds"))
    size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    return [size, f"{step:.0f}", f"{100 * data / step:.0f} %", duration(seconds)]


def _median(results: list[Result], key: str) -> str:
    """In percent; nothing where it was not measured."""
    values = [result[key] for result in results if key in result]
    return f"{median(values):.0f} %" if values else ""


def _undone(found: list[Comparison | None]) -> str:
    """What transformers undo, by column, medians over seeds in percent: "R: turns 91; RTS: shifts 98, zooms 60"."""
    columns = [text for comparison in found if comparison is not None and (text := _undone_of(comparison))]
    return "; ".join(columns)


def _undone_of(comparison: Comparison) -> str:
    each = [result["undone"] for result in comparison.results if "undone" in result]
    shares = {name: [one[name]["share_percent"] for one in each if name in one] for name in UNDONE}
    listed = ", ".join(f"{UNDONE[name]} {median(values):.0f} %" for name, values in shares.items() if values)
    return f"{comparison.column}: {listed}" if listed else ""


def _origin(comparisons: list[Comparison]) -> str:
    """Steps, seeds, machine, versions and dates of the numbers above."""
    results = [result for comparison in comparisons for result in comparison.results]
    budgets = sorted({f"{r['steps']:,} steps of {r['batch_size']}" for r in results})
    seeds = sorted({len(comparison.results) for comparison in comparisons})
    machines = sorted(
        {f"{r['device']}, {r['threads']} thread{'s' * (r['threads'] > 1)}, {r['precision']}" for r in results}
    )
    versions = sorted({f"torch {r['versions']['torch']}" for r in results})
    dates = sorted(r["date"][:10] for r in results)
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    counted = f"{count} seed{'s' * (seeds[-1] > 1)}"
    return f"{'; '.join(budgets)}; {counted}; {'; '.join(machines)}; {', '.join(versions)}; {span}."


def _curves(table: Table, budget: BudgetName, comparisons: list[Comparison]) -> Iterator[str]:
    """Errors along a scale, where a table measures them."""
    rows = swept(comparisons, budget)
    if not rows:
        return
    kinds = next(iter(rows.values()))
    yield f"![Errors against {' and '.join(kinds)}; trained ranges are shaded](pictures/{curves_name(table, budget)})"
    yield ""
    for said, first in kinds.items():
        yield from (f"Error, %, of digits that are all {said} ({budget}):", "")
        yield _line(["", *(f"{amount:g}" for amount in first["amounts"])])
        yield _line(["---"] * (1 + len(first["amounts"])))
        for row, curves in rows.items():
            yield _line([row, *(f"{error:.1f}" for error in curves[said]["error_percent"])])
        yield ""


def _chart(table: Table, budget: BudgetName, comparisons: list[Comparison]) -> Iterator[str]:
    """Errors against what is undone, where a table asks for it."""
    if table.against and undoing(comparisons, budget, table.against):
        said = UNDONE[table.against]
        yield f"![Errors against the share of {said} that is undone, {budget}](pictures/{chart_name(table, budget)})"
        yield ""


def _pictures(table: Table, pictures: Path) -> list[str]:
    """What the transformers see, of those cells that are to be shown and have been drawn."""
    lines = []
    for row, column in table.pictured:
        name = picture_name(table.name, row, column)
        if (pictures / name).is_file():
            lines += [
                f"![{row} on {column}: the input and the region sampled, below it what was sampled](pictures/{name})"
            ]
            lines += [
                "",
                f"*{row} on {column}: test images and the region that the transformer samples; below, its output.*",
                "",
            ]
    return lines


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
