"""People's own images, read: classes, splits and what a network sees of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import UserError
from . import folders
from .catalogue import SPLITS, Catalogue, Skipped, printable, some
from .folders import Entry
from .preprocessing import Preprocessing
from .sets import ImageSet, Reader
from .survey import AS_FOUND, ReadOptions, Survey, catalogue_of, catalogue_of_files, none_readable, survey


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images to learn from, to choose by and to be measured on.

    Attributes:
        source: the folder or file.
        classes: their names; a label is a position among them.
        preprocessing: what a network sees.
        train: the set to learn from.
        validation: the set to choose the best checkpoint with.
        test: the set to be measured on.
        notes: sentences for the person about what was found.
    """

    source: Path
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    notes: tuple[str, ...]
    left_out: tuple[Skipped, ...]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Images that could not be read, those found while training included."""
        return self.left_out + tuple(self.train.reader.damaged.values())

    def summary(self) -> str:
        """What was found, line by line, for the terminal.

        The images that were skipped are counted, and the first of them named.
        """
        height, width = self.preprocessing.size
        colour = "grey" if self.preprocessing.channels == 1 else "colour"
        lines = [
            f"{len(self.classes)} classes; {len(self.train):,} images to train on, {len(self.validation):,} to "
            f"validate, {len(self.test):,} to test; seen in {colour}, {height} x {width}"
        ]
        return "\n".join([*lines, *self.notes, *skipped_lines(self.skipped)])


def read(path: str | Path, options: ReadOptions = AS_FOUND) -> ImageData:
    """Read a folder with a folder per class, a CSV or an .npz.

    Headers are read, and files without an end found; pixels are decoded when they are asked for.

    Args:
        path: of the folder or the file.
        options: how.

    Raises:
        UserError: nothing there, nothing to tell apart, or something that contradicts itself; the message says which.
    """
    return of_survey(survey(path, options))


def of_survey(found: Survey) -> ImageData:
    """The sets of what has been looked at."""
    reader = Reader(found.catalogue.pictures, found.preprocessing)
    members = {split: np.array([i for i, s in enumerate(found.splits) if s == split], np.int64) for split in SPLITS}
    train, validation, test = (_set(reader, found.catalogue, members[split], found.classes) for split in SPLITS)
    skipped = tuple(found.catalogue.skipped)
    return ImageData(found.source, found.classes, found.preprocessing, train, validation, test, found.notes, skipped)


def read_whole(path: str | Path, classes: Sequence[str], preprocessing: Preprocessing) -> ImageSet:
    """All images of a folder, CSV or .npz as one set, for a network that has learnt `classes`.

    Raises:
        UserError: as `read`; or there are classes that the network has not learnt.
    """
    source = Path(path)
    catalogue = catalogue_of(source, ReadOptions.like(preprocessing))
    unknown = sorted(set(catalogue.labels) - set(classes))
    if unknown:
        raise UserError(f"{source} has classes that were not learnt: {some(unknown)}; learnt were {some(classes, 20)}")
    reader = Reader(catalogue.pictures, preprocessing)
    return _set(reader, catalogue, np.arange(len(catalogue.labels)), tuple(classes))


def read_unlabelled(
    paths: Sequence[str | Path],
    options: ReadOptions = AS_FOUND,
) -> tuple[ImageSet, list[Skipped]]:
    """Images without classes, from files and folders, and those that were skipped.

    Raises:
        UserError: a path that is not there, or no image that can be read.
    """
    files: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path} is not there")
        files += folders.images(path) if path.is_dir() else [str(path)]
    catalogue = catalogue_of_files([Entry(file, "") for file in files], Path(), None)
    if not catalogue.labels:
        raise UserError(none_readable(some([str(path) for path in paths]), catalogue.skipped))
    reader = Reader(catalogue.pictures, options.preprocessing(catalogue))
    return _set(reader, catalogue, np.arange(len(catalogue.labels)), ()), catalogue.skipped


def skipped_lines(skipped: Sequence[Skipped], limit: int = 5) -> list[str]:
    """How many images were skipped, and the first of them with the reason, a line each."""
    if not skipped:
        return []
    lines = [f"skipped {len(skipped)} image{'s' * (len(skipped) > 1)}:"]
    lines += [f"  {printable(name)}: {printable(reason)}" for name, reason in skipped[:limit]]
    return lines + ([f"  and {len(skipped) - limit} more"] if len(skipped) > limit else [])


def _set(reader: Reader, catalogue: Catalogue, members: np.ndarray, classes: tuple[str, ...]) -> ImageSet:
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number.get(catalogue.labels[i], -1) for i in members], dtype=torch.int64)
    boxes = np.full((len(members), 4), np.nan, dtype=np.float32)
    if catalogue.boxes is not None:
        boxes = reader.preprocessing.boxes(catalogue.boxes[members], catalogue.sizes[members])
    return ImageSet(reader, members, labels, torch.from_numpy(boxes))
