"""Answers as a table: CSV, JSON or Parquet, a row at a time."""

import csv
import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import replacing

CORNERS = ("top left", "top right", "bottom right", "bottom left")  # of the output, in the order of outlines
ROWS_AT_ONCE = 8192  # of a Parquet file

Row = Mapping[str, Any]


def valid(text: str) -> str:
    """Text as UTF-8 can hold it: bytes of a file's name that are none are written out.

    Example:
        >>> valid("a\\udcff")
        'a\\\\udcff'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def quadrilateral(outline: Sequence[Sequence[float]]) -> list[list[float]]:
    """The four corners among the points of an outline, clockwise as the output has them."""
    return [list(outline[side * (len(outline) // 4)]) for side in range(4)]


def entry_of(record: Mapping[str, Any], classes: Sequence[str], names: Sequence[str]) -> Row:
    """A record of `records_of` in words; of several transformers side by side there are lists of what each has."""
    theta = [dict(zip(names, values, strict=True)) for values in record["theta"]]
    corners = [quadrilateral(outline) for outline in record["outlines"]]
    return {
        "path": valid(record["path"]),
        "class": valid(classes[record["label"]]),
        "probability": record["probability"],
        "theta": theta[0] if len(theta) == 1 else theta,
        "quadrilateral": corners[0] if len(corners) == 1 else corners,
    }


def row_of(record: Mapping[str, Any], classes: Sequence[str], names: Sequence[str]) -> Row:
    """The same with a column for each number."""
    entry = entry_of(record, classes, names)
    row = {name: entry[name] for name in ("path", "class", "probability")}
    for k, values in enumerate(record["theta"], start=1):
        head = "theta" if len(record["theta"]) == 1 else f"theta {k}"
        row |= {f"{head}: {name}": value for name, value in zip(names, values, strict=True)}
    for k, outline in enumerate(record["outlines"], start=1):
        head = "quadrilateral" if len(record["outlines"]) == 1 else f"quadrilateral {k}"
        for corner, point in zip(CORNERS, quadrilateral(outline), strict=True):
            row |= {f"{head}: {corner} {axis}": value for axis, value in zip("xy", point, strict=True)}
    return row


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table: csv.DictWriter[str] | None = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, list(row))
                table.writeheader()
            table.writerow(row)


def _write_json(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        before = "[\n"
        for row in rows:
            file.write(before + json.dumps(row, ensure_ascii=False))
            before = ",\n"
        file.write("\n]\n")


def _write_parquet(path: Path, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    left, writer = iter(rows), None
    while part := list(islice(left, ROWS_AT_ONCE)):
        table = pa.Table.from_pylist(part, None if writer is None else writer.schema)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


@dataclass(frozen=True)
class Format:
    """How a table is written: what a record becomes, and a file of all of them."""

    row: Callable[[Mapping[str, Any], Sequence[str], Sequence[str]], Row]
    write: Callable[[Path, Iterable[Row]], None]


FORMATS = {
    ".csv": Format(row_of, _write_csv),
    ".json": Format(entry_of, _write_json),
    ".parquet": Format(row_of, _write_parquet),
}


def check_output(path: Path) -> None:
    """Raises UserError for a table that cannot be written so."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UserError(f"--output must end in {', '.join(FORMATS)}; got {str(path)!r}")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UserError("a Parquet file needs pyarrow: pip install 'spatial-transformer[parquet]'")
    if not path.parent.is_dir():
        raise UserError(f"--output {path}: there is no folder {path.parent}")


def write_table(path: Path, records: Iterable[Mapping[str, Any]], classes: Sequence[str], names: Sequence[str]) -> None:
    """Records that were not passed over, to a file that is there whole or not at all."""
    kind = FORMATS[path.suffix.lower()]
    with replacing(path) as unfinished:
        kind.write(unfinished, (kind.row(record, classes, names) for record in records if "skipped" not in record))


def write_skipped(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A CSV of the files that were passed over and why."""
    with replacing(path) as unfinished:
        _write_csv(
            unfinished, ({"path": valid(r["path"]), "reason": valid(r["skipped"])} for r in records if "skipped" in r)
        )
