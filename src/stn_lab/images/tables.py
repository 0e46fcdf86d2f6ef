"""A CSV with a path and a label in each row, and perhaps a box, a split and a group."""

import csv
import io
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import UserError
from .catalogue import SPLIT_NAMES, Skipped, Split, some
from .decoding import SUFFIXES
from .folders import Entry, is_image

PATH = (
    "path",
    "filepath",
    "imagepath",
    "file",
    "filename",
    "image",
    "imagefile",
    "imagename",
    "img",
    "imgpath",
    "imageid",
)
LABEL = ("label", "class", "classname", "category", "target", "labels", "species", "classid", "labelid", "y")
SPLIT = ("split", "set", "subset", "partition", "dataset")
CORNERS = (
    ("left", "top", "right", "bottom"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
)
EXTENTS = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))


def entries(table: Path, group_by: str | None = None) -> tuple[list[Entry], list[Skipped], list[str]]:
    """The images that a CSV names, what was left out, and notes for the person.

    Names of columns are found whatever their case, spaces and underscores, and behind "bbox" or "roi". Paths are
    relative to the folder of the CSV. Commas, semicolons and tabs separate.

    Args:
        table: path of the CSV, UTF-8.
        group_by: perhaps a column, whose value is then the group.

    Raises:
        UserError: no header, no column of paths or labels, a box that is no numbers, contradictory labels, or most of
            the files missing.
    """
    header, rows = _read(table)
    columns = _columns(table, header, rows)
    group = _column(header, (_plain(group_by),)) if group_by else None
    found: dict[str, Entry] = {}
    skipped: list[Skipped] = []
    again = 0
    for number, row in rows:
        entry = _entry(table, number, row, columns, group)
        if not entry.label or any(row[len(header) :]):
            reason = f"{len(row)} values under {len(header)} names" if any(row[len(header) :]) else "no label"
            skipped.append(Skipped(f"{table.name}, line {number}", reason))
        elif entry.path not in found:
            found[entry.path] = entry
        elif found[entry.path].label == entry.label:
            again += 1
        else:
            raise UserError(
                f"{table}, line {number}: {row[columns['path']]!r} is {entry.label!r} here and "
                f"{found[entry.path].label!r} further up; an image has one label"
            )
    notes = [f"{again} rows name an image that an earlier row has named; the first counts"] if again else []
    notes += _split_not_read(header, rows, columns, group)
    _check_there(table, list(found))
    return list(found.values()), skipped, notes


def boxes(table: Path) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom for each path of a CSV that has a column of paths and four of a box.

    Raises:
        UserError: as `entries`, or there are no columns of a box.
    """
    header, rows = _read(table)
    path = _column(header, PATH)
    columns = _box_columns(header)
    if path is None or not columns:
        raise UserError(f"{table} needs the columns path, left, top, right, bottom; its columns are {some(header, 20)}")
    found = {str(_file(table, _cell(row, path))): _box(table, number, row, columns) for number, row in rows}
    return {name: box for name, box in found.items() if box}


def _read(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row that is not blank with its line number."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
        separator = max(",;\t", key=io.StringIO(text, newline="").readline().count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except UnicodeDecodeError:
        raise UserError(f"{table} is not in UTF-8; save it as 'CSV UTF-8'") from None
    except csv.Error as error:
        raise UserError(f"{table} is no CSV: {error}") from None
    if text.count('"') % 2:
        _refuse_open_quote(table, lines)
    if not lines:
        raise UserError(f"{table} is empty; its first line should name the columns, for example: path,label")
    if len(lines) == 1:
        raise UserError(f"{table} has one line only; a line of names of columns should come first, then one per image")
    return lines[0][1], lines[1:]


def _refuse_open_quote(table: Path, lines: list[tuple[int, list[str]]]) -> None:
    """A quote that is not closed makes one row of all lines up to the next one."""
    for number, row in lines:
        within = sum(cell.count("\n") for cell in row)
        if within:
            raise UserError(f'{table}, line {number - within}: a quote (") opens there and is not closed; take it out')


def _columns(table: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> dict[str, int]:
    """Which column is the path, the label, the split, and the box."""
    path, label = _column(header, PATH), _column(header, LABEL)
    if any(is_image(cell) for cell in header):
        raise UserError(f"{table} has no header: its first line is {','.join(header)!r}; put path,label above it")
    if path is None or label is None:
        what, names = ("the image", PATH) if path is None else ("its class", LABEL)
        raise UserError(
            f"{table}: no column names {what}; its columns are {some(header, 20)}; call one {some(names[:1])} "
            f"(also understood: {', '.join(names[1:6])})"
        )
    found = {"path": path, "label": label}
    split = _column(header, SPLIT)
    if split is not None and all(_cell(row, split).lower() in (*SPLIT_NAMES, "") for _, row in rows):
        found["split"] = split
    return found | _box_columns(header)


def _split_not_read(
    header: list[str], rows: list[tuple[int, list[str]]], columns: Mapping[str, int], group: int | None
) -> list[str]:
    """A note on a column that is called as a split is, and holds something else."""
    split = _column(header, SPLIT)
    if split is None or "split" in columns or split == group:
        return []
    other = sorted({_cell(row, split) for _, row in rows if _cell(row, split).lower() not in (*SPLIT_NAMES, "")})
    return [f"the column {header[split]!r} is not read as a split, as it holds {some(other)}; name train, val and test"]


def _box_columns(header: list[str]) -> dict[str, int]:
    for kind, choices in (("corner", CORNERS), ("extent", EXTENTS)):
        for names in choices:
            at = [_column(header, (name,)) for name in names]
            if None not in at:
                return {f"{kind}{i}": column for i, column in enumerate(at) if column is not None}
    return {}


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    plain = [_plain(name) for name in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _plain(name: str) -> str:
    """Letters and digits only, without case, and without a prefix that says it belongs to a box."""
    letters = re.sub(r"[\W_]+", "", name.casefold())
    return re.sub(r"^(boundingbox|bbox|box|roi)(?=.)", "", letters)


def _cell(row: list[str], column: int) -> str:
    return row[column] if column < len(row) else ""


def _file(table: Path, name: str) -> Path:
    path = table.parent / name.replace("\\", "/")
    if path.suffix or not path.name or _is_there(path):
        return path
    return next((p for p in (path.with_suffix(s) for s in sorted(SUFFIXES)) if _is_there(p)), path)  # an identifier


def _entry(table: Path, number: int, row: list[str], columns: Mapping[str, int], group: int | None) -> Entry:
    path = _file(table, _cell(row, columns["path"]))
    split: Split | None = SPLIT_NAMES.get(_cell(row, columns["split"]).lower()) if "split" in columns else None
    return Entry(
        str(path),
        _cell(row, columns["label"]),
        split,
        _box(table, number, row, columns),
        _cell(row, group) if group is not None else "",
    )


def _box(
    table: Path, number: int, row: list[str], columns: Mapping[str, int]
) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom; None where the cells are empty."""
    at = [column for key, column in columns.items() if key.startswith(("corner", "extent"))]
    cells = [_cell(row, column) for column in at]
    if not any(cells):
        return None
    try:
        a, b, c, d = (float(cell) for cell in cells)
    except ValueError:
        raise UserError(f"{table}, line {number}: a box should be four numbers; got {some(cells, 4)}") from None
    if "extent0" in columns:
        c, d = a + c, b + d
    if not (math.isfinite(a + b + c + d) and a < c and b < d):
        raise UserError(f"{table}, line {number}: a box from ({a:g}, {b:g}) to ({c:g}, {d:g}) holds nothing")
    return a, b, c, d


def _is_there(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  (Path.exists raises for names that are too long)


def _check_there(table: Path, paths: list[str]) -> None:
    """A few files that are missing are skipped later on; when most are, the paths are wrong."""
    missing = [path for path in paths if not _is_there(path)]
    if 2 * len(missing) > len(paths):
        raise UserError(
            f"{table}: {len(missing)} of its {len(paths)} files are not there, the first {missing[0]!r}; "
            "paths are relative to the folder of the CSV"
        )
