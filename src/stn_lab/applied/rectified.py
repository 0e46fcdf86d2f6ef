"""The regions that a transformer samples of many pictures: crops, a COCO file, a contact sheet."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..images.catalogue import printable
from ..images.decoding import Unreadable
from ..images.folders import is_image
from .applied import Applied
from .coco import Found, Picture, write_coco
from .job import Chunk, Job
from .listing import images_below, in_order, some
from .looking import Answers, records_of
from .out import REGIONS, SHEET, SKIPPED, STATE, Record, new_folder, spread, whole
from .png import write_png
from .predictions import quadrilateral, valid, write_skipped
from .reading import Pictures, read_upright
from .sheet import Cell, annotate, write_sheet
from .stream import Stages, work
from .tally import Tally

LONGEST = 255  # bytes of a file's name
WRITERS = min(8, os.cpu_count() or 1)  # threads; zlib compresses without Python's lock


@dataclass(frozen=True)
class Rectifier:
    """What is made of a folder of pictures.

    Attributes:
        applied: the network.
        folder: of the pictures.
        out: where everything goes; paths below it are those below `folder`, with an ending more.
        annotates: whether the pictures are written too, with the regions drawn in.
    """

    applied: Applied
    folder: Path
    out: Path
    annotates: bool

    def run(self) -> None:
        """Make all of it, or go on with it.

        Raises:
            UserError: there is no picture; see `Job.begin`.
        """
        with new_folder(self.out):
            self._run()

    def _run(self) -> None:
        applied = self.applied
        settings = applied.identity() | {"folder": str(self.folder.resolve()), "annotate": self.annotates}
        chunk_size = applied.chunk_size
        job = Job.begin(
            self.out / STATE, self.out / REGIONS, settings, self._items, chunk_size=chunk_size, rank=applied.rank
        )
        with ThreadPoolExecutor(WRITERS, "write") as pool:

            def keep(chunk: Chunk, pictures: Pictures, answers: Answers | None) -> None:
                job.done(chunk, self._keep(chunk, pictures, answers, pool))

            work(
                job, applied.rank, "rectify", "images", Stages(self._read, applied.look, keep), lambda: self._merge(job)
            )

    def _items(self) -> Iterator[str]:
        found = in_order(images_below(self.folder, self.out))
        return some((os.path.relpath(path, self.folder) for path in found), str(self.folder))

    def _read(self, items: list[str]) -> Pictures:
        return self.applied.reader.read([self._path(item) for item in items])

    def _path(self, item: str) -> str:
        return os.path.join(self.folder, item)  # noqa: PTH118  (as it is listed)

    def _keep(
        self, chunk: Chunk, pictures: Pictures, answers: Answers | None, pool: ThreadPoolExecutor
    ) -> list[dict[str, Any]]:
        """Write the crops of a chunk; what is known of each picture."""
        records = records_of(chunk.items, pictures, answers)
        if answers is not None:
            read = [record for record, reason in zip(records, pictures.reasons, strict=True) if reason is None]
            pairs = [(r, c) for r, c in zip(read, answers.crops, strict=True) if "skipped" not in r]
            for folder in {self._crop(record["path"], None).parent for record, _ in pairs}:
                folder.mkdir(parents=True, exist_ok=True)
            list(pool.map(self._write_crops, *zip(*pairs, strict=True)) if pairs else [])
            if self.annotates:
                list(pool.map(self._annotate, (record for record, _ in pairs)))
        return records

    def _write_crops(self, record: Record, crops: np.ndarray) -> None:
        """(K, C, h, w) of one picture."""
        for k, crop in enumerate(crops, start=1):
            write_png(self._crop(record["path"], k if len(crops) > 1 else None), crop)

    def _crop(self, item: str, number: int | None) -> Path:
        return self.out / "crops" / crop_name(item, number)

    def _annotate(self, record: Record) -> None:
        path = self.out / "annotated" / lengthened(record["path"], ".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Unreadable):  # it could be read a moment ago
            annotate(read_upright(self._path(record["path"])), record["outlines"]).save(path, "JPEG", quality=90)

    def _merge(self, job: Job) -> None:
        tally = Tally.of(job.records())
        tally.check()
        if tally.skipped:
            write_skipped(self.out / SKIPPED, job.records())
        classes = [valid(name) for name in self.applied.model.classes]
        write_sheet(self.out / SHEET, self._cells(spread(whole(job.records()), tally.whole)))
        about = {"description": f"regions that {job_label(self.applied)} samples", "images": tally.whole}
        write_coco(self.out / REGIONS, about, classes, lambda: map(self._picture, whole(job.records())))
        sys.stdout.write(f"{tally.lines(str(self.out / SKIPPED))}{self.out / REGIONS}: {tally.whole:,} images\n")

    def _picture(self, record: Record) -> Picture:
        several = len(record["outlines"]) > 1
        found = [
            Found(
                record["label"],
                record["probability"],
                outline,
                {
                    "quadrilateral": quadrilateral(outline),
                    "crop": valid(str(self._crop(record["path"], k if several else None).relative_to(self.out))),
                },
            )
            for k, outline in enumerate(record["outlines"], start=1)
        ]
        width, height = record["size"]
        return Picture(valid(record["path"]), width, height, found)

    def _cells(self, records: Iterable[Record]) -> Iterator[Cell]:
        for record in records:
            several = len(record["outlines"]) > 1
            numbers = range(1, len(record["outlines"]) + 1)
            crops = [read_upright(str(self._crop(record["path"], k if several else None))) for k in numbers]
            name = printable(self.applied.model.classes[record["label"]])
            text = f"{name} {100 * record['probability']:.0f} %  {printable(record['path'])}"
            yield Cell(read_upright(self._path(record["path"])), record["outlines"], crops, text)


def job_label(applied: Applied) -> str:
    """Which network it was, for people."""
    return f"{applied.model.spec['model']['label']} of {valid(applied.run.name)}"


def crop_name(item: str, number: int | None) -> str:
    """Where the crop of a picture goes, of several that of a number; no two pictures have the same.

    Example:
        >>> crop_name("cats/1.png", None), crop_name("cats/1.jpg", None), crop_name("cats/1.jpg", 2)
        ('cats/1.png', 'cats/1.jpg.png', 'cats/1.jpg.2.png')
    """
    if number is not None:
        return lengthened(item, f".{number}.png")
    stem, ending = os.path.splitext(item)  # noqa: PTH122
    return item if ending == ".png" and not is_image(os.path.basename(stem)) else lengthened(item, ".png")  # noqa: PTH119


def lengthened(item: str, ending: str) -> str:
    """A path with one ending more; a name that gets too long is cut, and told from others by a number.

    Example:
        >>> lengthened("cats/1.jpg", ".png")
        'cats/1.jpg.png'
    """
    folder, name = os.path.split(item)
    if len(os.fsencode(name + ending)) > LONGEST:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()
        name = os.fsdecode(os.fsencode(name)[: LONGEST - len(digest) - len(ending) - 1]) + "-" + digest
    return os.path.join(folder, name + ending)  # noqa: PTH118
