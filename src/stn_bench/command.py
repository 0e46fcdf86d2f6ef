"""`stn bench`."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stn_lab.errors import UserError

from .rows import MATRIX, PARTS, PASS_NAMES, SHORT, select

if TYPE_CHECKING:
    import torch

    from .plan import Plan


ALIGNMENT = "alignment"  # of another kind than the other parts: neither rows nor passes, so it goes alone


@dataclass(frozen=True)
class Bench:
    """Measure how fast the library is, beside PyTorch's own functions and other libraries.

    Runs the operator's tests first and refuses to measure when one fails. Times are medians of interleaved runs.
    """

    output: Path = Path("benchmark.json")
    """The file of JSON that is written."""
    rows: str = ""
    """Only rows of the matrix and of short calls whose name contains one of these, with commas: 42x42,bicubic."""
    passes: str = ""
    """Only some of forward, theta, both, double."""
    parts: str = ""
    """Only some of matrix, short, second-order, curves, memory, cold-start. Or alignment, alone: how exact `register`
    is, beside other libraries; --rows are then some of its tasks."""
    pairs: int = 100
    """With --parts alignment: pairs of photographs of each kind; of what takes longer there are fewer."""
    threads: str = ""
    """Numbers of threads, with commas between; 1 and all by default."""
    repeats: int = 25
    """Samples of each function."""
    seconds: float = 2.0
    """A function that has taken so long gets no more samples, once it has five."""
    device: str = "cpu"
    """cpu or cuda."""
    compile: bool = False
    """Measure torch.compile as well."""
    skip_tests: bool = False
    """While developing the benchmark itself."""

    def __call__(self) -> None:
        if self.repeats < 2 or self.seconds <= 0:
            raise UserError("--repeats must be 2 or more, --seconds above 0")
        if self.parts.strip() == ALIGNMENT:
            self._align()
            return
        plan = self.plan()
        from .run import bench

        bench(plan, self.output)

    def _align(self) -> None:
        if self.pairs < 1:
            raise UserError(f"--pairs must be 1 or more; got {self.pairs}")
        from .alignment.page import tables
        from .alignment.run import measure

        wanted = tuple(word.strip() for word in self.rows.split(",") if word.strip())
        sys.stdout.write(f"{tables(measure(self.output, self.pairs, wanted))}\nWritten: {self.output}\n")

    def plan(self) -> "Plan":
        """The options, checked.

        Raises:
            UserError: one of them does not fit.
        """
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise UserError(f"--device must be cpu or cuda; got {self.device!r}")
        if ALIGNMENT in (word.strip() for word in self.parts.split(",")):
            raise UserError(f"--parts {ALIGNMENT} goes alone; run the others by themselves; got {self.parts!r}")
        parts = _words("--parts", self.parts, PARTS)
        passes = _words("--passes", self.passes, PASS_NAMES)
        chosen = select((*MATRIX, *SHORT), self.rows)
        matrix, short = (tuple(row for row in chosen if row.part == part) for part in ("matrix", "short"))
        threads = _threads(self.threads)
        import torch  # after what can be refused at once

        from .plan import Plan

        device, most = _device(self.device), torch.get_num_threads()
        every = {most} if device.type == "cuda" else {1, most}  # on a GPU they do not matter
        return Plan(
            device=device,
            parts=parts,
            matrix=matrix if {"matrix", "memory"} & set(parts) else (),
            short=short,
            passes=passes,
            threads=threads or tuple(sorted(every)),
            all_threads=most,
            repeats=self.repeats,
            seconds=self.seconds,
            compiled=self.compile,
            tested=not self.skip_tests,
            load=os.getloadavg()[0],
        )


def _device(name: str) -> "torch.device":
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device must be cpu or cuda; got {name!r}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here")
    return device


def _words(flag: str, words: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The words that commas separate; all that are allowed without a word."""
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted:
        if word not in allowed:
            raise UserError(f"{flag} must be some of {','.join(allowed)}; got {word!r}")
    return tuple(word for word in allowed if not wanted or word in wanted)


def _threads(words: str) -> tuple[int, ...]:
    """In ascending order; none without a word."""
    try:
        counts = {int(word) for word in words.split(",")} if words else set()
    except ValueError:
        raise UserError(f"--threads must be whole numbers with commas between; got {words!r}") from None
    if counts and min(counts) < 1:
        raise UserError(f"--threads must be 1 or more; got {min(counts)}")
    return tuple(sorted(counts))
