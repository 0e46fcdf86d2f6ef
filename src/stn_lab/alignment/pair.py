"""One pair of files, aligned and written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import replacing
from .align import Alignment, align
from .reading import Scan, read, read_mask
from .record import NAME, write_record
from .settings import Settings

Masks = tuple[Path | None, Path | None]  # of the moving image, and of the fixed one


def run(
    moving: Path, fixed: Path, output: Path, settings: Settings, masks: Masks = (None, None), matrix: Path | None = None
) -> str:
    """Align two files, and return what is to be said of it.

    Raises:
        UserError: files that cannot be read or compared.
    """
    one, other, found = align_files(moving, fixed, settings, masks)
    if matrix is not None:
        _write_matrix(matrix, found, one, other)
    entries = write_record(output, one, other, found, settings)
    return describe(entries, output)


def align_files(moving: Path, fixed: Path, settings: Settings, masks: Masks) -> tuple[Scan, Scan, Alignment]:
    """Read two files and lay one on the other.

    Raises:
        UserError: files that cannot be read or compared, or masks that exclude all.
    """
    one, other = read(moving, grey=settings.grey), read(fixed, grey=settings.grey)
    of_moving, of_fixed = (
        None if mask is None else read_mask(mask, scan) for mask, scan in zip(masks, (one, other), strict=True)
    )
    return one, other, align(one, other, settings, of_moving, of_fixed)


def describe(entries: Mapping[str, Any], output: Path) -> str:
    """Two lines for the terminal."""
    measure = entries["measure"]
    values = ", ".join(f"{value:.4f}" if value is not None else "-" for value in (measure["before"], measure["after"]))
    head = "aligned" if entries["success"] else "NOT aligned"
    return f"{head}: {entries['why']}\n{output / NAME}: {measure['name']} before and after {values}\n"


def _write_matrix(path: Path, found: Alignment, moving: Scan, fixed: Scan) -> None:
    matrix = found.matrix(moving, fixed)
    if matrix is None:
        raise UserError(
            "--matrix: what was found is a deformation and no matrix; leave out --matrix, or the deformations"
        )
    try:
        with replacing(path) as unfinished:
            np.savetxt(unfinished, matrix, fmt="%.12g")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
