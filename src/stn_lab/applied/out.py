"""The folder that regions of many pictures are written into, and which of them are shown on its contact sheet."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import UserError
from .sheet import COUNT

REGIONS, SKIPPED, SHEET, STATE = "regions.json", "skipped.csv", "contact-sheet.png", ".job"

Record = Mapping[str, Any]


def check_free(out: Path) -> None:
    """Raises UserError for a folder that holds something else."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / STATE).is_dir():
        raise UserError(f"{out} holds something else already; name another folder")


@contextmanager
def new_folder(out: Path) -> Iterator[None]:
    """Within it a folder is written, or gone on with; where that is refused, none is left behind.

    Raises:
        UserError: the folder holds something else.
    """
    check_free(out)
    made = not out.exists()
    try:
        yield
    except UserError:
        if made:
            with suppress(OSError):  # it holds something by now
                out.rmdir()
        raise


def whole(records: Iterable[Record]) -> Iterator[Record]:
    """Those that hold an answer."""
    return (record for record in records if "skipped" not in record)


def spread(records: Iterable[Record], count: int) -> Iterator[Record]:
    """As many of `count` records as a contact sheet shows, evenly spread."""
    shown = min(COUNT, count)
    wanted = {k * count // shown for k in range(shown)}
    return (record for number, record in enumerate(records) if number in wanted)
