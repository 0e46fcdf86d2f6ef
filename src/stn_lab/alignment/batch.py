"""Many pairs, a folder for each: what is there is not done again, processes share the rest, and a page shows all."""

import csv
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..applied.ranks import this_rank
from ..errors import UserError
from ..files import write_json
from .page import write_page
from .pair import align_files
from .record import NAME, read_record, write_record
from .settings import Settings

COLUMNS = ("moving", "fixed", "mask", "moving_mask", "name")


@dataclass(frozen=True)
class Row:
    """A pair of the CSV: its name, which is that of its folder, and its files."""

    name: str
    moving: Path
    fixed: Path
    mask: Path | None
    moving_mask: Path | None


def run(table: Path, output: Path, settings: Settings, *, overwrite: bool = False) -> None:
    """Align the pairs of a CSV.

    The `alignment.json` in the folder of a pair is the record that it was done. It also says which pairs could not be
    read; those are tried again the next time. Whoever finds all pairs done writes the page.

    Raises:
        UserError: the CSV cannot be read, or the folder holds alignments of other settings.
    """
    rows = read_rows(table)
    rank = this_rank()
    todo = [
        (number, row) for number, row in enumerate(rows) if overwrite or not _is_done(output / row.name, row, settings)
    ]
    if rank.is_first and len(todo) < len(rows):
        sys.stderr.write(f"{len(rows) - len(todo)} of {len(rows)} pairs are done already\n")
    for place, (number, row) in enumerate(todo):
        # By the place in the whole table, so that processes agree whatever each of them finds done.
        if number % rank.count == rank.number:
            entries = _align(row, output / row.name, settings)
            state = "aligned" if entries["success"] else "NOT aligned"
            sys.stderr.write(f"{place + 1}/{len(todo)} {row.name}: {state}: {entries['why']}\n")
    records = [(row.name, read_record(output / row.name)) for row in rows]
    if all(record is not None for _, record in records):
        path = write_page(output, [(name, record) for name, record in records if record is not None], table.name)
        failed = sum(not record["success"] for _, record in records if record is not None)
        sys.stdout.write(f"{len(rows) - failed} of {len(rows)} pairs aligned: {path}\n")


def read_rows(table: Path) -> list[Row]:
    """The pairs of a CSV; paths are relative to its folder.

    Raises:
        UserError: it is not there, has no columns moving and fixed, no pairs, one without either, or a name twice.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [(name or "").strip().lower() for name in reader.fieldnames or []]
            lines = [dict(zip(header, row.values(), strict=False)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} cannot be read as CSV: {error}") from error
    for column in ("moving", "fixed"):
        if column not in header:
            raise UserError(
                f"{table} has no column {column!r}; its header must name moving and fixed, and may {COLUMNS[2:]}"
            )
    rows = [_row(table, number, line) for number, line in enumerate(lines)]
    if not rows:
        raise UserError(f"{table} has no pairs")
    names = Counter(row.name for row in rows)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise UserError(
            f"{table}: two pairs are named {twice!r}, and each needs a folder of its own; give them other names"
        )
    return rows


def _row(table: Path, number: int, line: Mapping[str, Any]) -> Row:
    given = {column: str(line.get(column) or "").strip() for column in COLUMNS}
    for column in ("moving", "fixed"):
        if not given[column]:
            raise UserError(f"{table}, pair {number + 1}: no {column}")
    paths = {column: table.parent / given[column] if given[column] else None for column in COLUMNS[:4]}
    name = given["name"] or f"{number + 1:04d}"
    if name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise UserError(f"{table}, pair {number + 1}: the name {name!r} cannot be that of a folder")
    assert paths["moving"] is not None
    assert paths["fixed"] is not None
    return Row(name, paths["moving"], paths["fixed"], paths["mask"], paths["moving_mask"])


def _is_done(folder: Path, row: Row, settings: Settings) -> bool:
    record = read_record(folder)
    if record is None or "error" in record:
        return False
    same = record["settings"] == settings.as_json()
    if not same or (record["moving"], record["fixed"]) != (str(row.moving), str(row.fixed)):
        what = "other options" if not same else f"another pair, {record['moving']} on {record['fixed']}"
        raise UserError(f"{folder / NAME} is of {what}; name another --output, or add --overwrite")
    return True


def _align(row: Row, folder: Path, settings: Settings) -> dict[str, Any]:
    try:
        moving, fixed, found = align_files(row.moving, row.fixed, settings, (row.moving_mask, row.mask))
        return write_record(folder, moving, fixed, found, settings)
    except UserError as error:
        pair = {"moving": str(row.moving), "fixed": str(row.fixed)}
        entries = {"success": False, "why": str(error), "error": str(error), **pair, "settings": settings.as_json()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / NAME, entries)
        except OSError as problem:
            raise UserError(f"{folder} cannot be written: {problem.strerror or problem}") from problem
        return entries
