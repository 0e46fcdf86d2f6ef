"""What a folder, a CSV or an .npz holds, seen without decoding a pixel.

Nothing here needs PyTorch, whose import takes seconds: what is wrong with a source is said before.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from . import arrays, folders, tables
from .catalogue import SPLITS, Catalogue, Skipped, Split, some
from .decoding import WHITE
from .files import Files, headers
from .folders import Entry
from .preprocessing import Fit, Preprocessing
from .splits import assign, groups_of

SIDE = 96  # of what the network sees, where the images do not say
BOXES = "boxes.csv"  # at the top of a folder, with the columns path, left, top, right, bottom
OWN_SIDE = 128  # images that all have one size up to this are seen as they are


@dataclass(frozen=True)
class ReadOptions:
    """How images are read.

    Attributes:
        size: (height, width) of what the network sees; by default that of the images, where all have one that is not
            above 128 pixels, and 96 x 96 otherwise.
        channels: 1 for grey, 3 for colour; by default colour where any image has colours.
        fit: "letterbox" keeps the aspect and leaves black bars; "squeeze" changes it.
        background: grey that shows through transparent pixels, 0 to 255.
        white: the number that is white in 16-bit images.
        group_by: a column of the CSV, or a regular expression on paths: images for which it gives the same stay on one
            side of a split.
        seed: of the split, where there is one to make.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "letterbox"
    background: int = 255
    white: int = WHITE
    group_by: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UserError(f"the seed of a split must not be below 0; got {self.seed}")

    def preprocessing(self, catalogue: Catalogue) -> Preprocessing:
        """What a network sees of the images of a catalogue."""
        channels = self.channels or (1 if catalogue.grey else 3)
        return Preprocessing(self.size or _usual_size(catalogue.sizes), channels, self.fit, self.background, self.white)

    @classmethod
    def like(cls, preprocessing: Preprocessing) -> "ReadOptions":
        """For images that a trained network is to see."""
        return cls(**asdict(preprocessing))


AS_FOUND = ReadOptions()  # everything as the images suggest


@dataclass(frozen=True, eq=False)
class Survey:
    """What there is to learn from.

    Attributes:
        source: the folder or file.
        catalogue: of its images, N of them.
        splits: (N,) where each image goes, drawn where the person has not said.
        classes: names of those that are learnt; a label is a position among them.
        preprocessing: what a network sees of an image.
        notes: sentences for the person about what was found.
    """

    source: Path
    catalogue: Catalogue
    splits: list[Split]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    notes: tuple[str, ...]


def survey(path: str | Path, options: ReadOptions = AS_FOUND) -> Survey:
    """Look at a folder with a folder per class, a CSV or an .npz.

    Headers are read, and files without an end found.

    Args:
        path: of the folder or the file.
        options: how it will be read.

    Raises:
        UserError: nothing there, nothing to tell apart, or something that contradicts itself; the message says which.
    """
    source = Path(path)
    found = catalogue_of(source, options)
    splits = assign(found.labels, found.splits, found.groups, options.seed)
    classes, notes = _classes(source, found.labels, splits)
    drawn = [split for split in SPLITS[1:] if split not in found.splits]
    if drawn:
        notes.insert(0, f"no split for {' and '.join(drawn)} was given: drawn with seed {options.seed}")
    return Survey(source, found, splits, classes, options.preprocessing(found), (*found.notes, *notes))


def catalogue_of(source: Path, options: ReadOptions) -> Catalogue:
    """All images of a source, and what is known of them; raises UserError as `survey`."""
    if source.is_dir():
        entries, notes = folders.entries(source)
        if (source / BOXES).is_file():
            known = tables.boxes(source / BOXES)
            entries = [replace(entry, box=known.get(entry.path)) for entry in entries]
            astray = sorted(known.keys() - {entry.path for entry in entries})
            if astray:
                notes.append(f"{len(astray)} paths of {BOXES} are of no image that was found, the first {astray[0]!r}")
        catalogue = catalogue_of_files(entries, source, options.group_by)
    elif not source.exists():
        raise UserError(f"{source} is not there; give a folder with a folder per class, a .csv or an .npz")
    elif source.suffix.lower() == ".npz":
        if options.group_by:
            raise UserError("--group-by needs the paths of a folder or the columns of a CSV; an .npz has neither")
        catalogue, notes = arrays.catalogue(source), []
    elif source.suffix.lower() in (".csv", ".tsv", ".txt"):
        entries, skipped, notes = tables.entries(source, options.group_by)
        catalogue = catalogue_of_files(entries, source.parent, options.group_by)
        catalogue.skipped = skipped + catalogue.skipped
    else:
        raise UserError(f"{source} is neither a folder nor a .csv nor an .npz")
    if not catalogue.labels:
        raise UserError(none_readable(str(source), catalogue.skipped))
    catalogue.notes += notes
    return catalogue


def catalogue_of_files(entries: list[Entry], root: Path, group_by: str | None) -> Catalogue:
    """What the headers of the files say; files that cannot be read are left out."""
    known = headers([entry.path for entry in entries])
    skipped = [
        Skipped(entry.path, header) for entry, header in zip(entries, known, strict=True) if isinstance(header, str)
    ]
    pairs = [(entry, header) for entry, header in zip(entries, known, strict=True) if not isinstance(header, str)]
    whole = [entry for entry, _ in pairs]
    catalogue = Catalogue(
        Files([entry.path for entry in whole]),
        [entry.label for entry in whole],
        [entry.split for entry in whole],
        np.array([(header.width, header.height) for _, header in pairs], dtype=np.int32).reshape(-1, 2),
        all(header.grey for _, header in pairs),
        skipped=skipped,
    )
    if any(entry.box for entry in whole):
        _add_boxes(catalogue, np.array([entry.box or (np.nan,) * 4 for entry in whole], dtype=np.float32))
    if group_by:
        own = [entry.group for entry in whole]
        catalogue.groups = (
            own if any(own) else groups_of([os.path.relpath(entry.path, root) for entry in whole], group_by)
        )
    lost = sorted({entry.label for entry in entries} - set(catalogue.labels))
    if lost:
        catalogue.notes.append(f"no image of {some(lost)} can be read")
    return catalogue


def _add_boxes(catalogue: Catalogue, boxes: np.ndarray) -> None:
    """Boxes in pixels, or in parts of the width and the height where none is above 1."""
    extents = np.tile(catalogue.sizes, 2)  # (N, 4)
    if np.nanmax(boxes) <= 1:
        boxes = boxes * extents
        catalogue.notes.append("boxes are read as parts of the width and the height: no number is above 1")
    beyond = int(((boxes < -1) | (boxes > extents + 1)).any(axis=1).sum())  # a pixel more is a matter of convention
    if beyond:
        catalogue.notes.append(f"{beyond} boxes reach beyond their images: are they in pixels of the upright image?")
    catalogue.boxes = boxes


def _classes(source: Path, labels: list[str], splits: list[Split]) -> tuple[tuple[str, ...], list[str]]:
    """The names of the classes, numbers in their order, and notes on splits that lack one."""
    names = {split: {label for label, s in zip(labels, splits, strict=True) if s == split} for split in SPLITS}
    classes = sorted(names["train"], key=_natural)
    for split in SPLITS[1:]:
        unknown = sorted(names[split] - names["train"], key=_natural)
        if unknown:
            raise UserError(f"{source}: {some(unknown)} is in the {split} split, but not in the training images")
    if len(classes) < 2:
        raise UserError(
            f"{source} has one class only, {some(classes)}; "
            f"there should be a folder, or a label, for each of at least two{_further_down(source, classes)}"
        )
    few = [name for name, count in Counter(labels).items() if count == 1]
    notes = [f"only one image of {some(few)}: nothing measures it"] if few else []
    folded = Counter(name.casefold() for name in classes)
    alike = [name for name in classes if folded[name.casefold()] > 1]
    if alike:
        notes.append(f"these classes differ in upper and lower case only: {some(alike, 4)}")
    for split in SPLITS[1:]:
        lacking = sorted(names["train"] - names[split], key=_natural)
        if lacking:
            notes.append(f"the {split} split has no image of {some(lacking)}")
    return tuple(classes), notes


def _further_down(source: Path, classes: list[str]) -> str:
    """A hint, where the only folder holds folders: archives are often packed so."""
    inner = source / classes[0] if classes else source
    deeper = inner.is_dir() and inner != source and any(path.is_dir() for path in inner.iterdir())
    return f"; if these are in {inner}, give that" if deeper else ""


def _natural(name: str) -> tuple[int, int, str]:
    """Numbers in their order, then names in theirs."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _usual_size(sizes: np.ndarray) -> tuple[int, int]:
    """(height, width) of what the network sees, where nobody says."""
    width, height = sizes[0].tolist()
    if (sizes == sizes[0]).all() and max(width, height) <= OWN_SIDE:
        return height, width
    return SIDE, SIDE


def none_readable(where: str, skipped: Sequence[Skipped]) -> str:
    """What is said of a source in which no image can be read."""
    first = f", the first, {skipped[0].name}: {skipped[0].reason}" if skipped else ""
    return f"{where}: none of its {len(skipped)} images can be read{first}"
