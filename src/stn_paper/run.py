"""Running cells: those without a result, one after the other, from wherever the last attempt was stopped."""

import dataclasses
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from statistics import mean

from stn_lab.errors import UnusableCheckpoint, UserError
from stn_lab.files import write_json
from stn_lab.training.config import Machine
from stn_lab.views.wording import duration

from .results import Result, Results
from .table import Cell

Say = Callable[[str], None]

CLAIM = "claim"  # locked by the process that runs the cell


def run_cells(
    cells: Sequence[Cell], results: Results, work: Path, *, machine: Machine, say: Say, after: Callable[[Cell], None]
) -> None:
    """Run every cell that has no result.

    Any number of processes may be given the same cells at a time: a cell is claimed by the first that comes to it.

    Args:
        cells: in the order to be run.
        results: where they are written.
        work: a folder for checkpoints and logs, with one folder for each cell.
        machine: where to train.
        say: told how far it is.
        after: called after each cell.

    Raises:
        UserError: the machine cannot be used as asked, data is missing, or a folder cannot be written.
        Interrupted: Ctrl-C; the same call goes on from there.
    """
    for number, cell in enumerate(cells, start=1):
        folder = work / cell.table.name / cell.name
        with _claimed(folder) as mine:
            if not mine or results.read(cell) is not None:
                continue
            say(f"[{number}/{len(cells)}] {cell.table.name} {cell.name}; {time_left(cells, results)}")
            try:
                results.write(cell, _train(cell, folder, machine, say))
            except OSError as error:
                raise UserError(f"{cell.name} stopped: {error}; the same command goes on from there") from error
            after(cell)


def time_left(cells: Sequence[Cell], results: Results) -> str:
    """How many cells are to do, and how long they take judged by the finished ones that are most like them."""
    found = [(cell, results.read(cell)) for cell in cells]
    known = [(cell, result["seconds"]) for cell, result in found if result is not None]
    expected = [_expected(cell, known) for cell, result in found if result is None]
    times = [seconds for seconds in expected if seconds is not None]
    if not times:
        return f"{len(expected)} to do"
    # Those unlike any finished one count as the mean of the others.
    return f"{len(expected)} to do, about {duration(mean(times) * len(expected))} left"


def _expected(cell: Cell, known: list[tuple[Cell, float]]) -> float | None:
    """Mean seconds of the finished cells of the same row and column, or row, or table."""
    for likeness in (
        ("table", "budget_name", "row", "column"),
        ("table", "budget_name", "row"),
        ("table", "budget_name"),
    ):
        like = attrgetter(*likeness)
        if alike := [seconds for other, seconds in known if like(other) == like(cell)]:
            return mean(alike)
    return None


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Whether this process may run the cell. The claim ends with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / CLAIM).open("w")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _train(cell: Cell, folder: Path, machine: Machine, say: Say) -> Result:
    """Go on with what an earlier attempt left, or start anew where that cannot be used."""
    settings = {**dataclasses.asdict(cell.budget), "precision": machine.precision}
    config = folder / "config.json"
    try:
        as_today = not config.exists() or json.loads(config.read_text()) == settings
    except ValueError:
        as_today = False
    if not as_today:
        say(f"{folder} holds a part of this cell that was made under other settings; it starts anew")
        _empty(folder)
    write_json(config, settings)
    splits = cell.load()
    try:
        return cell.table.train(cell, splits, folder, machine)
    except UnusableCheckpoint as error:
        say(f"{error}; this cell starts anew")
        _empty(folder)
        write_json(config, settings)
        return cell.table.train(cell, splits, folder, machine)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CLAIM:
            path.unlink()
