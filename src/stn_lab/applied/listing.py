"""The images of folders, one name at a time and in order: a million of them take no more memory than a few."""

import heapq
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from ..errors import UserError
from ..images.folders import is_image

AT_ONCE = 50_000  # names that are sorted in memory


def images_of(paths: Iterable[Path], passed_over: Path | None = None) -> Iterator[str]:
    """Files as they are named, and the images in folders and below, in the order of their paths.

    Args:
        paths: files and folders.
        passed_over: a folder that is not looked into.

    Raises:
        UserError: a path is not there, or a folder may not be read.
    """
    for path in paths:
        if path.is_dir():
            yield from in_order(images_below(path, passed_over))
        elif path.exists():
            yield str(path)
        else:
            raise UserError(f"{path} is not there; give images, or folders of images")


def in_order(names: Iterable[str], at_once: int = AT_ONCE) -> Iterator[str]:
    """Names sorted: so many at a time in memory, and what comes out of that merged from files without a name.

    Example:
        >>> list(in_order(["c", "a", "d", "b"], at_once=2))
        ['a', 'b', 'c', 'd']
    """
    left = iter(names)
    with ExitStack() as files:
        runs = []
        while run := sorted(islice(left, at_once)):
            runs.append(iter(run) if len(run) < at_once else _on_disk(run, files))
        yield from heapq.merge(*runs)


def _on_disk(names: list[str], files: ExitStack) -> Iterator[str]:
    file = files.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))  # noqa: SIM115  (it outlives this)
    file.writelines(json.dumps(name) + "\n" for name in names)  # names may hold line breaks, and bytes of no letter
    file.seek(0)
    return map(json.loads, file)


def images_below(folder: Path, passed_over: Path | None = None) -> Iterator[str]:
    """The images in a folder and below, in no order. Links are followed, to every folder once; hidden files are not."""
    top = os.path.realpath(folder)
    out = None if passed_over is None else os.path.realpath(passed_over)
    yield from _walk(str(folder), top, {out} if out else set(), set())


def _walk(folder: str, top: str, closed: set[str], seen: set[tuple[int, int]]) -> Iterator[str]:
    here = os.stat(folder)  # noqa: PTH116  (a Path for each of a million files costs more than the rest)
    if (here.st_dev, here.st_ino) in seen:
        return
    seen.add((here.st_dev, here.st_ino))
    try:
        with os.scandir(folder) as listing:
            for item in listing:
                if item.name.startswith("."):
                    continue
                if _is_folder(item):
                    real = os.path.realpath(item.path)
                    if real not in closed and not top.startswith(real + os.sep):  # a link to a folder above
                        yield from _walk(item.path, top, closed, seen)
                elif is_image(item.name):
                    yield item.path  # a link to nowhere too: it is named when it cannot be read
    except PermissionError:
        raise UserError(f"{folder} may not be read: mend its permissions, or move it away") from None


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads to itself
        return False


def some(names: Iterable[str], where: str) -> Iterator[str]:
    """The same names; raises UserError where there is none."""
    empty = True
    for name in names:
        empty = False
        yield name
    if empty:
        raise UserError(f"{where} holds no images; PNG, JPEG, WebP, TIFF, BMP, GIF and PPM are read")


def expect_images(folder: Path, out: Path | None = None) -> None:
    """Raises UserError for a folder without any, not counting those in `out`."""
    next(some(images_below(folder, out), str(folder)))
