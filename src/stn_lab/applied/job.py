"""Work on many items that can be stopped at any time and shared between processes: nothing is lost or done twice.

A job is a folder. `items.jsonl` lists what is to be done, a JSON value a line, in chunks of so many; `parts/` has a
file for each chunk that is done, whole or not at all: that file is the record that it was. Processes share the chunks
by their numbers, whatever the number of processes was before. The one that finds all chunks done, the last to finish or
the next call, puts the parts together into the result, and removes them.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import replacing, write_json
from .ranks import Rank

ABOUT, ITEMS, PARTS, LOCK = "job.json", "items.jsonl", "parts", "lock"


@dataclass(frozen=True)
class Chunk:
    """Items that are done together.

    Attributes:
        number: of the chunk, from 0.
        first: the number of its first item.
        items: what is to be done.
    """

    number: int
    first: int
    items: list[Any]


@dataclass(frozen=True)
class Job:
    """Items to be done and what has been; made by `begin`.

    Attributes:
        folder: where it is kept.
        result: the file that all of it is for, written last.
        count: how many items there are.
        chunk_size: how many are done together.
        changed: how many items there would be were it begun now, if not the same ones.
        todo: numbers of the chunks that were not done when this process came.
    """

    folder: Path
    result: Path
    count: int
    chunk_size: int
    todo: frozenset[int]
    changed: int | None = None

    @classmethod
    def begin(
        cls,
        folder: Path,
        result: Path,
        settings: Mapping[str, Any],
        items: Callable[[], Iterator[Any]],
        *,
        chunk_size: int,
        rank: Rank,
    ) -> "Job":
        """Make a job, or go on with the one in `folder`; of several processes the first to come makes it.

        Args:
            folder: for what is needed to go on; removed again where there is nothing to begin with.
            result: the file that is written last; the job is complete when it is there.
            settings: all that the result depends on, ready for JSON.
            items: gives what is to be done, JSON values, the same ones whenever it is called.
            chunk_size: how many are done together.
            rank: of this process.

        Raises:
            UserError: `result` is there and not by this job; the job was begun with other settings; it is complete, but
                there are other items now; `folder` cannot be written; or what `items` raises.
        """
        made = not folder.exists()
        try:
            with _locked(folder):
                about = _read(folder / ABOUT)
                if about is None and result.exists():
                    raise UserError(f"{result} exists already; remove it or name another")
                if about is None or not (result.exists() or (folder / ITEMS).exists()):
                    about = _list(folder, settings, items, chunk_size)
                    known = None
                else:
                    _expect(result, about["settings"], json.loads(json.dumps(settings)))
                    known = _fingerprint(_lines(items())) if rank.is_first else None
                job = cls._of(folder, result, about, known)
        except BaseException as error:
            if made:
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
            raise
        if job.changed is not None and job.is_complete:
            raise UserError(
                f"{result} is of {job.count:,} items, and now there are {job.changed:,}, not the same ones; remove it "
                "or name another"
            )
        return job

    @classmethod
    def _of(cls, folder: Path, result: Path, about: Mapping[str, Any], now: tuple[int, str] | None) -> "Job":
        changed = None if now is None or now[1] == about["fingerprint"] else now[0]
        chunks = range(0 if result.exists() else -(-about["count"] // about["chunk_size"]))
        done = {int(path.stem) for path in (folder / PARTS).glob("*.jsonl")}
        todo = frozenset(number for number in chunks if number not in done)
        return cls(folder, result, about["count"], about["chunk_size"], todo, changed)

    @property
    def is_complete(self) -> bool:
        """Whether the result is there."""
        return self.result.exists()

    def share(self, rank: Rank) -> frozenset[int]:
        """The numbers of the chunks that a process has to do."""
        return frozenset(number for number in self.todo if number % rank.count == rank.number)

    def items_in(self, chunks: Iterable[int]) -> int:
        """How many items some chunks have."""
        return sum(min(self.chunk_size, self.count - number * self.chunk_size) for number in chunks)

    def chunks(self, numbers: frozenset[int]) -> Iterator[Chunk]:
        """The chunks of these numbers, in order, read as they are asked for."""
        if not numbers:
            return
        with (self.folder / ITEMS).open(encoding="ascii") as lines:
            for number in range(max(numbers) + 1):
                part = list(islice(lines, self.chunk_size))
                if number in numbers:
                    yield Chunk(number, number * self.chunk_size, [json.loads(line) for line in part])

    def done(self, chunk: Chunk, records: Iterable[Mapping[str, Any]]) -> None:
        """Keep what came of a chunk: a record for each of its items, in order, ready for JSON."""
        if self.is_complete:  # by another process that was given the same
            return
        with replacing(self.folder / PARTS / f"{chunk.number:07}.jsonl") as unfinished:
            unfinished.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="ascii")

    def records(self) -> Iterator[dict[str, Any]]:
        """What came of all items, in order, read as it is asked for."""
        for number in range(-(-self.count // self.chunk_size)):
            with (self.folder / PARTS / f"{number:07}.jsonl").open(encoding="ascii") as lines:
                yield from map(json.loads, lines)

    def finish(self, merge: Callable[[], None]) -> bool:
        """Have the result written if all chunks are done and it is not there; whether this call did.

        Args:
            merge: writes the result from `records`, whole or not at all; where it refuses, the job is given up.
        """
        with _locked(self.folder):
            if self.is_complete or not self._all_done():
                return False
            try:
                merge()
            except UserError:
                shutil.rmtree(self.folder)
                raise
            shutil.rmtree(self.folder / PARTS)
            (self.folder / ITEMS).unlink()
        return True

    def _all_done(self) -> bool:
        chunks = -(-self.count // self.chunk_size)
        return sum(1 for _ in (self.folder / PARTS).glob("*.jsonl")) == chunks


def _lines(items: Iterable[Any]) -> Iterator[str]:
    return (json.dumps(item) + "\n" for item in items)


def _fingerprint(lines: Iterable[str]) -> tuple[int, str]:
    """How many lines there are, and a number that is another one for other lines."""
    count, digest = 0, blake2b(digest_size=16)
    for line in lines:
        digest.update(line.encode())
        count += 1
    return count, digest.hexdigest()


def _list(
    folder: Path, settings: Mapping[str, Any], items: Callable[[], Iterator[Any]], chunk_size: int
) -> dict[str, Any]:
    """Write down what is to be done."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    (folder / PARTS).mkdir()
    with replacing(folder / ITEMS) as unfinished:
        with unfinished.open("w", encoding="ascii") as file:
            file.writelines(_lines(items()))
        with unfinished.open(encoding="ascii") as file:
            count, mark = _fingerprint(file)
    about = {"settings": dict(settings), "count": count, "chunk_size": chunk_size, "fingerprint": mark}
    write_json(folder / ABOUT, about)
    return about


def _expect(result: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    different = [
        f"{key}: {then.get(key)} then, {now.get(key)} now" for key in {**then, **now} if then.get(key) != now.get(key)
    ]
    if different:
        raise UserError(
            f"{result} was begun with other settings ({'; '.join(different)}); use the same, remove it or name another"
        )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); remove {path.parent} and what it is about, and begin anew"
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While one process is in it, the others wait; it ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
