"""Files that are there whole or not at all."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = ".part"  # ends the names of files that are being written


@contextmanager
def replacing(path: Path, ending: str = UNFINISHED) -> Iterator[Path]:
    """Gives a path beside it to be written, which then takes its name; whatever goes wrong, what was there stays.

    Args:
        path: the file.
        ending: of the name of what is written, for libraries that know a format by it.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{ending}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """A JSON object, to be read by people too."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(values, indent=2) + "\n")
