"""`stn bench`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stn_lab.errors import UserError

if TYPE_CHECKING:
    import torch

    from .plan import Plan


@dataclass(frozen=True)
class Bench:
    """Measure how fast the library is, beside PyTorch's own functions and other libraries.

    Runs the operator's tests first and refuses to measure when one fails. Times are medians of interleaved runs.
    """

    output: Path = Path("benchmark.json")
    """The file of JSON that is written."""
    rows: str = ""
    """Only rows of the matrix whose name contains one of these, with commas between: 42x42,bicubic."""
    passes: str = ""
    """Only some of forward, theta, both, double."""
    parts: str = ""
    """Only some of matrix, second-order, curves, memory, cold-start."""
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
        from .run import bench

        bench(self.plan(), self.output)

    def plan(self) -> "Plan":
        """The options, checked.

        Raises:
            UserError: one of them does not fit.
        """
        import torch

        from .passes import PASSES
        from .plan import PARTS, Plan
        from .rows import MATRIX, select

        device, most = _device(self.device), torch.get_num_threads()
        parts = _words("--parts", self.parts, PARTS)
        return Plan(
            device=device,
            parts=parts,
            matrix=select(MATRIX, self.rows) if {"matrix", "memory"} & set(parts) else (),
            passes=_words("--passes", self.passes, tuple(PASSES)),
            threads=_threads(self.threads, most, device),
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
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device must be cpu or cuda; got {name!r}")
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


def _threads(words: str, most: int, device: "torch.device") -> tuple[int, ...]:
    """1 and all by default; all where they do not matter."""
    default = {most} if device.type == "cuda" else {1, most}
    try:
        counts = {int(word) for word in words.split(",")} if words else default
    except ValueError:
        raise UserError(f"--threads must be whole numbers with commas between; got {words!r}") from None
    if min(counts) < 1:
        raise UserError(f"--threads must be 1 or more; got {min(counts)}")
    return tuple(sorted(counts))
