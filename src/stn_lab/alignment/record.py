"""The folder of one alignment: the warped image, what was found, and a picture of it; `alignment.json` comes last."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import replacing, write_json
from .align import Alignment
from .overlay import write_overlay
from .reading import Scan, write
from .settings import Settings

NAME = "alignment.json"
DIRECTION = {
    2: "from pixels of moving to pixels of fixed, x first: cv2.warpPerspective(moving, matrix, (width, height))",
    3: "from voxels of moving to voxels of fixed, counted from 0 along the file's first, second and third axis",
}
WORLD = "from millimetres in the world of moving to millimetres in that of fixed"
POSITIONS = "where each pixel of fixed lies in moving, x first, in pixels: cv2.remap takes the two of an image"


def write_record(
    folder: Path, moving: Scan, fixed: Scan, found: Alignment, settings: Settings, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write all files of an alignment.

    Args:
        folder: where to; made if need be.
        moving, fixed: the pair.
        found: what was found.
        settings: how.
        more: entries for `alignment.json`.

    Returns:
        What is in `alignment.json`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        warped = write(folder / "warped", found.warped, moving, fixed)
        overlay = write_overlay(folder / "overlay", found.warped, fixed.values, settings.overlay)
        matrix, world = found.matrix(moving, fixed), found.world_matrix(moving, fixed)
        entries: dict[str, Any] = {
            "success": found.success,
            "why": found.why,
            "moving": str(moving.path),
            "fixed": str(fixed.path),
            "stages": list(settings.of(len(fixed.size))),
            "matrix": _listed(matrix),
            "matrix_direction": DIRECTION[len(fixed.size)],
        }
        if fixed.volume is not None:
            entries |= {"world_matrix": _listed(world), "world_matrix_direction": WORLD}
        if matrix is None:
            _write_positions(folder / "positions.npz", found.positions(moving))
            entries |= {"positions": "positions.npz", "positions_are": POSITIONS}
            entries["matrix_direction"] = "a deformation is no matrix; see positions"
        entries |= {"size": list(reversed(fixed.size)), "start": found.start, **found.facts}
        entries |= {
            "valid": round(float(found.valid.float().mean()), 4),
            "warped": warped.name,
            "overlay": overlay.name,
        }
        if not bool(found.valid.all()):
            entries["mask"] = write(folder / "valid", found.valid.float(), _mask_like(moving), fixed).name
        entries |= {**(more or {}), "settings": settings.as_json()}
        write_json(folder / NAME, entries)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    return entries


def read_record(folder: Path) -> dict[str, Any] | None:
    """What `alignment.json` says; None if there is none.

    Raises:
        UserError: it is damaged.
    """
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / NAME} is damaged ({error}); remove it") from error
    return found


def _mask_like(moving: Scan) -> Scan:
    """Whole numbers; in images 0 and 1 are black and white."""
    return Scan(moving.path, moving.values, None, np.dtype(np.uint8), moving.volume)


def _write_positions(path: Path, positions: np.ndarray) -> None:
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, positions=positions)


def _listed(matrix: np.ndarray | None) -> list[list[float]] | None:
    return None if matrix is None else [[float(value) for value in row] for row in matrix]
