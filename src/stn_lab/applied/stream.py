"""Chunks of items on their way: the next is read while this one is looked at and the one before is written."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from .job import Chunk, Job
from .progress import Progress
from .ranks import Rank

Read = TypeVar("Read")
Found = TypeVar("Found")


@dataclass
class Seconds:
    """How long each stage took; they overlap where there are processors for it."""

    read: float = 0.0
    network: float = 0.0
    write: float = 0.0

    def line(self, count: int) -> str:
        """In words, of so many images."""
        others = self.network + self.write
        speed = f"; {count / others:,.0f} images/s without decoding" if others else ""
        return f"decoding {self.read:.1f} s, network {self.network:.1f} s, writing {self.write:.1f} s{speed}"


@dataclass(frozen=True)
class Stages(Generic[Read, Found]):
    """What is done with a chunk.

    Attributes:
        read: gets its items, on the way to
        look: which runs in the thread that asked for all this, on the way to
        write: keeps what was found.
    """

    read: Callable[[list[Any]], Read]
    look: Callable[[Read], Found]
    write: Callable[[Chunk, Read, Found], None]


def stream(chunks: Iterable[Chunk], stages: Stages[Read, Found], progress: Progress) -> Seconds:
    """Take chunks through all stages, no more than three at a time in memory, and tell how far it is."""
    seconds = Seconds()
    coming = iter(chunks)

    def read() -> tuple[Chunk, Read] | None:
        chunk = next(coming, None)
        if chunk is None:
            return None
        begun = time.perf_counter()
        content = stages.read(chunk.items)
        seconds.read += time.perf_counter() - begun
        return chunk, content

    def write(chunk: Chunk, content: Read, found: Found) -> None:
        begun = time.perf_counter()
        stages.write(chunk, content, found)
        seconds.write += time.perf_counter() - begun
        progress.advance(len(chunk.items))

    with ThreadPoolExecutor(1, "ahead") as ahead, ThreadPoolExecutor(1, "behind") as behind:
        reading = ahead.submit(read)
        writing: Future[None] | None = None
        while (got := reading.result()) is not None:
            reading = ahead.submit(read)
            begun = time.perf_counter()
            found = stages.look(got[1])
            seconds.network += time.perf_counter() - begun
            if writing is not None:
                writing.result()
            writing = behind.submit(write, *got, found)
        if writing is not None:
            writing.result()
    return seconds


def in_chunks(items: Iterable[Any], size: int) -> Iterator[Chunk]:
    """Items, so many at a time."""
    left, number = iter(items), 0
    while part := list(islice(left, size)):
        yield Chunk(number, number * size, part)
        number += 1


def work(job: Job, rank: Rank, label: str, unit: str, stages: Stages[Read, Found], merge: Callable[[], None]) -> None:
    """Do what a process has to do of a job, and say how far it is; the first process speaks.

    Args:
        job: what is to be done.
        rank: of this process.
        label: names the work.
        unit: what is counted: "images".
        stages: what is done with a chunk; `write` is to call `job.done`.
        merge: writes the result, when all of the job is done; see `Job.finish`.

    Raises:
        UserError: what `merge` refuses.
    """
    share = job.share(rank)
    total = job.items_in(share)
    if rank.is_first and (note := _note(job, unit)):
        sys.stdout.write(note)
    try:
        with Progress(label, total, unit, shown=rank.is_first) as progress:
            seconds = stream(job.chunks(share), stages, progress)
    except KeyboardInterrupt:
        sys.stderr.write(f"{label} stopped; the same command goes on from there\n")
        sys.exit(130)
    job.finish(merge)
    if rank.is_first and total:
        sys.stdout.write(f"{total:,} {unit}: {seconds.line(total)}\n")


def _note(job: Job, unit: str) -> str:
    """What is to be said of a job that was begun before."""
    if job.is_complete:
        return f"{job.result} is complete: {job.count:,} {unit}\n"
    left = job.items_in(job.todo)
    changed = "" if job.changed is None else f"; it is of the {unit} that there were then, now there are others"
    return (
        f"{job.count - left:,} of {job.count:,} {unit} are done already{changed}\n"
        if left < job.count or changed
        else ""
    )
