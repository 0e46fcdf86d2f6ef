"""What a folder, a table or a file of arrays is read into: images by number, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np

from .preprocessing import Preprocessing

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


class Skipped(NamedTuple):
    """An image that was left out, and why."""

    name: str
    reason: str


class Pictures(Protocol):
    """Images by number, decoded when asked for; safe to ask from several threads."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str:
        """Which one, for people: a path, or a key and a row."""

    def pixels(self, number: int, preprocessing: Preprocessing) -> np.ndarray:
        """(C, H, W), uint8; raises `Unreadable`."""


@dataclass
class Catalogue:
    """All images of a source.

    Attributes:
        pictures: N of them.
        labels: (N,) names of classes.
        splits: (N,) where the person put each, None where that is open.
        sizes: (N, 2) widths and heights, upright.
        grey: whether no image has colours.
        boxes: (N, 4) in pixels of the upright image: left, top, right, bottom, NaN where an image has none; or None.
        groups: (N,) what must stay on one side of a split; or None.
        skipped: images left out.
        notes: sentences for the person.
    """

    pictures: Pictures
    labels: list[str]
    splits: list[Split | None]
    sizes: np.ndarray
    grey: bool
    boxes: np.ndarray | None = None
    groups: list[str] | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def printable(name: str) -> str:
    """A name without what no terminal and no JSON takes: line breaks, and bytes that are not UTF-8.

    Example:
        >>> printable("a\\nb\\udcff")
        'a�b�'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first few names in quotes, and how many more there are.

    Example:
        >>> some(["a", "b", "c"], limit=2)
        "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(printable(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
