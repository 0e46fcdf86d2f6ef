"""What a network says of images: into a table, or on the terminal as it comes."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..images.catalogue import printable
from .applied import Applied
from .job import Chunk, Job
from .listing import images_of, some
from .looking import Answers, records_of
from .predictions import write_skipped, write_table
from .progress import Progress
from .reading import Pictures
from .stream import Stages, in_chunks, stream, work
from .tally import Tally

FEW = 8  # parameters that find room on a line


def print_predictions(applied: Applied, images: Sequence[Path]) -> None:
    """A line for each image.

    Raises:
        UserError: none can be read.
    """
    tally, names, rank = Tally(), applied.looker.theta_names(), applied.rank
    chunks = in_chunks(_items(images), applied.chunk_size)

    def show(chunk: Chunk, pictures: Pictures, answers: Answers | None) -> None:
        for record in records_of(chunk.items, pictures, answers):
            tally.add(record)
            if "skipped" not in record:
                sys.stdout.write(f"{_sentence(record, applied.model.classes, names)}\n")

    share = (chunk for chunk in chunks if chunk.number % rank.count == rank.number)
    stream(share, Stages(applied.reader.read, applied.look, show), Progress("predict", 0, "images", shown=False))
    tally.check()
    sys.stderr.write(tally.lines())


def _sentence(record: dict[str, Any], classes: Sequence[str], names: Sequence[str]) -> str:
    said = f"{printable(record['path'])}: {printable(classes[record['label']])} {100 * record['probability']:.1f} %"
    if len(names) > FEW:
        return said
    each = (
        ", ".join(f"{name} {value:.3f}" for name, value in zip(names, theta, strict=True)) for theta in record["theta"]
    )
    return "; ".join([said, *each])


def write_predictions(applied: Applied, images: Sequence[Path], output: Path) -> None:
    """Into a table, CSV, JSON or Parquet as its name ends, or go on with one.

    Raises:
        UserError: none can be read; or see `Job.begin`.
    """
    settings = applied.identity() | {"images": [str(path) for path in images], "folder": str(Path.cwd())}
    state = output.with_name(f".{output.name}.job")
    items = partial(_items, images)
    job = Job.begin(state, output, settings, items, chunk_size=applied.chunk_size, rank=applied.rank)

    def keep(chunk: Chunk, pictures: Pictures, answers: Answers | None) -> None:
        job.done(chunk, records_of(chunk.items, pictures, answers))

    def merge() -> None:
        tally = Tally.of(job.records())
        tally.check()
        listed = output.with_name(f"{output.stem}.skipped.csv")
        if tally.skipped:
            write_skipped(listed, job.records())
        write_table(output, job.records(), applied.model.classes, applied.looker.theta_names())
        sys.stdout.write(f"{tally.lines(str(listed))}{output}: {tally.whole:,} images\n")

    work(job, applied.rank, "predict", "images", Stages(applied.reader.read, applied.look, keep), merge)


def _items(images: Sequence[Path]) -> Iterator[str]:
    return some(images_of(images), " ".join(map(str, images)))
