"""A folder with a folder per class, with or without train/, val/ and test/ above."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .catalogue import SPLIT_NAMES, Split, printable, some
from .decoding import FOREIGN, SUFFIXES


@dataclass(frozen=True, slots=True)
class Entry:
    """One image that a folder or a table names.

    Attributes:
        path: of the file.
        label: the name of its class.
        split: where the person put it, None where that is open.
        box: left, top, right, bottom in pixels.
        group: what must stay on one side of a split.
    """

    path: str
    label: str
    split: Split | None = None
    box: tuple[float, float, float, float] | None = None
    group: str = ""


def entries(root: Path) -> tuple[list[Entry], list[str]]:
    """The images of a folder, sorted by path, and notes for the person.

    The first folder below the root, or below train/, val/ and test/, names the class; images may lie deeper. Symbolic
    links are followed, to every folder once, but to none that holds the classes. Hidden files are passed over.

    Raises:
        UserError: there are no images, or no folders of classes.
    """
    splits = _split_folders(root)
    notes: list[str] = []
    if not splits:
        found = _classes(root, None, notes)
    else:
        found = [entry for folder, split in splits for entry in _classes(folder, split, notes)]
        others = [folder.name for folder in _folders(root) if folder not in dict(splits) and any(images(folder, root))]
        if others:
            notes.append(f"passed over, beside the folders of the split: {some(others)}")
    if not found:
        raise _nothing(root)
    return found, notes


def _split_folders(root: Path) -> list[tuple[Path, Split]]:
    """train/, val/, test/ and their like, where they hold folders; none where these names are those of classes."""
    full = [folder for folder in _folders(root) if any(images(folder, root))]
    named = [(folder, SPLIT_NAMES[folder.name.lower()]) for folder in full if folder.name.lower() in SPLIT_NAMES]
    classes = [folder for folder, _ in named if _stray(folder)]  # they hold images themselves
    if not named or (classes and len(named) < len(full)):
        return []
    named = [
        (folder, split) for folder, split in named if any(any(images(inner, folder)) for inner in _folders(folder))
    ]
    if named and "train" not in (split for _, split in named):
        if len(named) < len(full):
            return []
        raise UserError(f"{root} has {some([folder.name for folder, _ in named])}, but no folder 'train'")
    twice = [split for split, count in Counter(split for _, split in named).items() if count > 1]
    if twice:
        folders = [folder.name for folder, split in named if split == twice[0]]
        raise UserError(f"{root}: {some(folders)} are all names of the {twice[0]} split; keep one")
    return named


def _stray(folder: Path) -> list[str]:
    """Images in a folder itself, not below."""
    return [file.name for file in sorted(folder.iterdir()) if is_image(file.name) and file.is_file()]


def _classes(root: Path, split: Split | None, notes: list[str]) -> list[Entry]:
    found, without = [], []
    for folder in _folders(root):
        label = unicodedata.normalize("NFC", printable(folder.name))  # macOS writes é as two characters
        inside = [Entry(path, label, split) for path in images(folder, root)]
        found += inside
        without += [] if inside else [folder.name]
    if without and found:
        notes.append(f"passed over, without images: {some(without)} in {root}")
    stray = _stray(root)
    if stray and not found:
        raise UserError(
            f"{root} holds {len(stray)} images, but no folder per class: put them into folders named after "
            "their classes, or write a CSV with the columns path and label"
        )
    if stray:
        notes.append(f"passed over, in no class's folder: {some(stray)} in {root}")
    return _once(root, found, notes)


def _once(root: Path, found: list[Entry], notes: list[str]) -> list[Entry]:
    """Without what links show again: a folder gives its images to one class, to the one it lies in if there is one."""
    real = {folder: os.path.realpath(folder) for folder in {os.path.dirname(entry.path) for entry in found}}  # noqa: PTH120
    top = os.path.realpath(root)

    def linked(folder: str) -> bool:
        return real[folder] != os.path.normpath(os.path.join(top, os.path.relpath(folder, root)))  # noqa: PTH118

    first: dict[str, str] = {}
    for folder in sorted(real, key=lambda folder: (linked(folder), folder)):
        first.setdefault(real[folder], folder)
    again = sorted(os.path.relpath(folder, root) for folder in real if first[real[folder]] != folder)
    if again:
        notes.append(f"passed over, as links lead to what is read elsewhere: {some(again)} in {root}")
    return [entry for entry in found if first[real[folder := os.path.dirname(entry.path)]] == folder]  # noqa: PTH120


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))


def is_image(name: str) -> bool:
    """Whether a file is to be read, or at least to be named, as an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES | FOREIGN and not name.startswith(".")  # noqa: PTH122


def images(folder: Path, root: Path | None = None) -> Iterator[str]:
    """Paths of the images in a folder and below, sorted; links are followed, to every folder once.

    Links to folders that hold this one, or `root`, are not followed.
    """
    above = set(Path(os.path.realpath(folder)).parents)
    if root is not None:
        top = Path(os.path.realpath(root))
        above |= {top, *top.parents}
    yield from _walk(str(folder), {str(path) for path in above})


def _walk(folder: str, seen: set[str]) -> Iterator[str]:
    here = os.path.realpath(folder)
    if here in seen:
        return  # a link in a circle, or to a folder above
    seen.add(here)
    try:
        with os.scandir(folder) as listing:
            inside = sorted(listing, key=lambda item: item.name)
    except PermissionError:
        raise UserError(f"{folder} may not be read: mend its permissions, or move it away") from None
    for item in inside:
        if item.name.startswith("."):
            continue
        if _is_folder(item):
            yield from _walk(item.path, seen)
        elif is_image(item.name) and (item.is_symlink() or item.is_file()):
            yield item.path  # a link to nowhere too: it is named when it cannot be read


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _nothing(root: Path) -> UserError:
    endings = Counter(
        Path(file).suffix.lower() or "no suffix" for _, _, files in os.walk(root) for file in files if file[0] != "."
    )
    if not endings:
        return UserError(f"{root} is empty; it should hold a folder of images per class")
    return UserError(
        f"{root} holds no images that can be read, only files with {some([e for e, _ in endings.most_common()])}; "
        "PNG, JPEG, WebP, TIFF, BMP, GIF and PPM are read"
    )
