"""What `stn reproduce` does."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Grid

from stn_lab.errors import UserError
from stn_lab.training.interruption import Interrupted

from . import page
from .compare import as_json, compare
from .results import Results
from .run import run_cells, time_left
from .table import BudgetName, Cell, Table
from .tables import TABLES

if TYPE_CHECKING:
    from .command import Reproduce

console = Console(highlight=False, soft_wrap=True)
warnings = Console(highlight=False, soft_wrap=True, stderr=True)


def reproduce(options: "Reproduce") -> None:
    """Run cells, or say what there is; the options have been checked."""
    results = Results(options.results, warn=_warn_once())
    if options.list:
        return _list(results)
    if options.compare:
        return _compare(results, _tables(options.tables or ("all",)), options.json)
    if options.page_only:
        return page.write(results, options.page)
    cells = chosen_cells(options)
    from stn_lab.training.machine import check_machine  # brings Lightning, which takes seconds to import

    for batch_size in {cell.budget.batch_size for cell in cells}:
        check_machine(options.machine, batch_size)
    for folder in (options.results, options.page.parent):
        _check_writable(folder)
    try:
        run_cells(
            cells,
            results,
            options.runs / "reproduce",
            machine=options.machine,
            say=console.print,
            after=lambda cell: _publish(cell, results, options),
        )
    except Interrupted as stop:
        console.print(f"Stopped after {stop.step} steps of this cell; the same command goes on from there.")
        sys.exit(130)
    page.write(results, options.page)
    console.print(f"{time_left(cells, results)}. Page: {options.page}")
    return None


def chosen_cells(options: "Reproduce") -> list[Cell]:
    """What the command names: seed after seed, so that a whole table is there early.

    Raises:
        UserError: something is unknown; the message lists what there is.
    """
    tables = _tables(options.tables)
    if "all" in options.tables:
        tables = [table for table in tables if options.budget in table.budgets] or tables
    rows, columns = _apart(options.rows), _apart(options.columns)
    _all_known(rows, [row.name for table in tables for row in table.rows], "row")
    _all_known(columns, [column for table in tables for column in table.columns], "column")
    cells = [
        Cell(table, row, column, _budget(table, options.budget), seed)
        for table in tables
        for seed in range(options.seeds)
        for row in table.rows
        for column in table.columns
        if (not rows or row.name in rows) and (not columns or column in columns)
    ]
    if not cells:
        raise UserError("none of these tables has a cell in these rows and columns; --list says what there is")
    return cells


def _budget(table: Table, name: str) -> BudgetName:
    if name not in table.budgets:
        raise UserError(f"{table.name} has no budget {name!r}; choose from {', '.join(table.budgets)}")
    return name  # type: ignore[return-value]  # a key of `budgets`


def _tables(names: Sequence[str]) -> list[Table]:
    """By name, in the order of the page; "all" among them is all. The others are not even imported."""
    return [TABLES[name] for name in TABLES if "all" in names or name in names]


def _apart(names: Iterable[str]) -> list[str]:
    """Also what is written with commas: R,RTS."""
    return [part for name in names for part in name.split(",") if part]


def _all_known(names: Iterable[str], known: list[str], kind: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"unknown {kind} {name!r}; choose from {', '.join(dict.fromkeys(known))}")


def _check_writable(folder: Path) -> None:
    """Before a cell is trained for nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def _publish(cell: Cell, results: Results, options: "Reproduce") -> None:
    """Bring page and pictures up to date with a cell that has just been finished."""
    from .attention import PICTURE  # brings PyTorch

    drawn = options.runs / "reproduce" / cell.table.name / cell.name / PICTURE
    if drawn.is_file() and cell.seed == 0 and cell.budget_name != "smoke":
        pictures = options.page.parent / "pictures"
        try:
            pictures.mkdir(parents=True, exist_ok=True)
            shutil.copy(drawn, pictures / page.picture_name(cell.table.name, cell.row.name, cell.column))
        except OSError as error:
            raise UserError(f"{pictures} cannot be written: {error.strerror}") from error
    page.write(results, options.page)


def _list(results: Results) -> None:
    for table in TABLES.values():
        done = {budget: _count(results, table, budget) for budget in table.budgets}
        console.print(f"[bold]{table.name}[/bold]: {table.title}")
        console.print(f"  rows     {' '.join(row.name for row in table.rows)}")
        console.print(f"  columns  {' '.join(table.columns)}")
        for name, budget in table.budgets.items():
            cells = len(table.rows) * len(table.columns)
            console.print(
                f"  {name:8} {budget.steps:,} steps of {budget.batch_size}; {done[name]} of {cells} cells done"
            )


def _count(results: Results, table: Table, budget: BudgetName) -> int:
    return sum(bool(results.seeds(table, row.name, column, budget)) for row in table.rows for column in table.columns)


def _compare(results: Results, tables: Sequence[Table], as_text: bool) -> None:
    comparisons = [comparison for table in tables for comparison in compare(results, table)]
    if as_text:
        sys.stdout.write(json.dumps([as_json(comparison) for comparison in comparisons], indent=2) + "\n")
        return
    grid = Grid("table", "row", "column", "budget", "paper", "ours", "± s.e.", "seeds", "")
    colours = {"as good": "green", "worse": "yellow", "unpublished": "default"}
    for c in comparisons:
        grid.add_row(
            c.table.name,
            c.row,
            c.column,
            c.budget,
            "" if c.published is None else f"{c.published:g}",
            f"{c.ours.value:.2f}",
            f"{c.ours.error:.2f}",
            str(len(c.results)),
            c.agreement,
            style=colours[c.agreement],
        )
    console.print(grid)


def _warn_once() -> Callable[[str], None]:
    """Results are read often; a damaged file is named once."""
    told: set[str] = set()

    def warn(message: str) -> None:
        if message not in told:
            told.add(message)
            warnings.print(f"stn: {message}")

    return warn
