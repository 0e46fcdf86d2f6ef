"""Images in files: which can be read, and what their headers say."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .decoding import FOREIGN, ORIENTATION, Image, Unreadable, is_grey, opened, quiet, upright
from .preprocessing import Preprocessing

# Threads that decode. The training takes a core as well; more threads than cores wait for Python's lock, which Pillow
# holds between the pieces that it decodes: two on two cores that were busy were slower than one, by a fifth.
WORKERS = max(1, min(8, (os.cpu_count() or 1) - 1))

# The last bytes of a whole file; trailing bytes of cameras may follow.
ENDINGS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}
TAIL = 1024
PART = 256  # files that a thread looks at before it is given others


@dataclass(frozen=True)
class Files:
    """Images by path, read when they are asked for."""

    paths: Sequence[str]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, number: int) -> str:
        return self.paths[number]

    def pixels(self, number: int, preprocessing: Preprocessing) -> np.ndarray:
        return preprocessing.pixels_of_file(self.paths[number])


class Header(NamedTuple):
    """What is known of an image without its pixels: width and height, upright, and whether it has no colours."""

    width: int
    height: int
    grey: bool


def headers(paths: Sequence[str]) -> list[Header | str]:
    """The header of each file, or why it cannot be read; in threads."""
    parts = [paths[start : start + PART] for start in range(0, len(paths), PART)]
    with quiet(), ThreadPoolExecutor(WORKERS) as pool:
        return [header for part in pool.map(_headers, parts) for header in part]


def _headers(paths: Sequence[str]) -> list[Header | str]:
    return [_header(path) for path in paths]


def refused(path: str) -> str | None:
    """Why a file is not to be opened at all, None if it may be tried."""
    if os.path.splitext(path)[1].lower() in FOREIGN:  # noqa: PTH122  (a Path costs more than the rest of this line)
        return "a format that Pillow cannot read; save it as PNG or JPEG"
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  (a pipe would wait for ever)
        return "no file"
    return None


def _header(path: str) -> Header | str:
    if reason := refused(path):
        return reason
    try:
        with opened(path) as image:
            width, height = upright_size(image)
            grey = is_grey(image)
            if not _ends_well(path, image):
                width, height = upright(image).size  # decoded here, to see whether it can be
            return Header(width, height, grey)
    except Unreadable as reason:
        return str(reason)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image, from its header."""
    orientation = Image.Image.getexif(image).get(ORIENTATION)  # a PNG's own getexif would decode the pixels
    return image.size[::-1] if orientation in (5, 6, 7, 8) else image.size


def _ends_well(path: str, image: Image.Image) -> bool:
    """Whether the file has the end that its format prescribes; False where the format prescribes none."""
    ending = ENDINGS.get(image.format or "")
    if ending is None:
        return False
    with open(path, "rb") as file:  # noqa: PTH123
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        return ending in file.read()
