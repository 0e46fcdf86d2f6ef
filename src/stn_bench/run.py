"""`stn bench`: refuse on red, measure, write."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from ..errors import UserError
from ..training.provenance import provenance
from . import cold_start, memory
from .agreement import disagreement
from .goals import goals
from .passes import PASSES
from .peers import OURS, PEERS, REFERENCE, Differentiable, Opaque, Peer, set_threads
from .problem import WORDS, Problem, problem
from .result import Cell, MemoryCell, Result
from .rows import MATRIX, SECOND_ORDER, Row, curves, select
from .timing import interleave

if TYPE_CHECKING:
    from ..cli import Bench

ROOT = Path(__file__).parents[3]
TESTS = Path("tests", "spatial_transformer", "ops")
PARTS = ("matrix", "second-order", "curves", "memory", "cold-start")
# On curves only these are measured: they are about the library, not about others.
CURVE_PEERS = (OURS, REFERENCE)

console = Console(highlight=False, soft_wrap=True)


def bench(options: "Bench") -> Result:
    """Everything that was asked for, written to the file of the options.

    Raises:
        UserError: an option that does not fit, tests that fail, or a library that computes something else.
    """
    plan = Plan(options)
    tests = "skipped" if options.skip_tests else check_tests(ROOT)
    result = Result(_origin(plan, tests), absent=plan.absent)
    for row in plan.rows:
        result.rows.append(row)
        result.cells += [cell for threads in row.threads or plan.threads for cell in _time(row, threads, plan)]
        result.write(options.output)  # what was measured stays, whatever happens next
    reason = memory.unavailable(plan.device)
    if "memory" in plan.parts and reason is not None:
        result.absent["memory"] = reason
    elif "memory" in plan.parts:
        result.memory += [cell for row in plan.matrix for cell in _memory(row, plan)]
    if "cold-start" in plan.parts:
        console.print("the first call, with an empty and with a warm cache ...")
        result.cold_start = cold_start.measure()
    result.write(options.output)
    set_threads(plan.all_threads)
    _print_goals(result)
    console.print(f"Written: {options.output}")
    return result


class Plan:
    """The options, checked: what is measured, and how."""

    def __init__(self, options: "Bench") -> None:
        self.options = options
        self.device = _device(options.device)
        self.parts = _words("--parts", options.parts, PARTS)
        self.load = os.getloadavg()[0]  # before anything here adds to it
        self.passes = _words("--passes", options.passes, tuple(PASSES))
        self.all_threads = torch.get_num_threads()
        self.threads = _threads(options.threads, self.all_threads, self.device)
        if options.repeats < 2 or options.seconds <= 0:
            raise UserError("--repeats must be 2 or more, --seconds above 0")
        self.matrix = select(MATRIX, options.rows) if _any(("matrix", "memory"), self.parts) else ()
        self.rows = tuple(self._rows())
        self.peers, self.absent = _peers(options.compile)

    def _rows(self) -> Iterator[Row]:
        if "matrix" in self.parts:
            yield from self.matrix
        if "second-order" in self.parts:
            yield from SECOND_ORDER
        if "curves" in self.parts:
            yield from (_within(row, max(self.threads)) for row in curves(max(self.threads)))


def check_tests(root: Path) -> str:
    """Run the operator's tests; returns what pytest says last.

    Raises:
        UserError: they are not there, or one fails.
    """
    if not (root / TESTS).is_dir():
        raise UserError(f"{TESTS} is not here: measure in a checkout of the project, or with --skip-tests")
    console.print(f"the tests in {TESTS} ...")
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(TESTS)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing was printed"]
    if done.returncode:
        raise UserError(f"the tests in {TESTS} fail, so there is nothing to measure: {lines[-1]}")
    return lines[-1]


def _time(row: Row, threads: int, plan: Plan) -> Iterator[Cell]:
    """All passes of a row."""
    set_threads(threads)
    given = problem(row, plan.device)
    calls = _calls(given, plan.peers if row.part in ("matrix", "second order") else _named(CURVE_PEERS))
    for name in row.passes:
        if name not in plan.passes:
            continue
        timed = {peer: PASSES[name].of(call, given.cotangent) for peer, call in calls.items()}
        functions = {peer: function for peer, function in timed.items() if function is not None}
        spreads = interleave(functions, plan.device, repeats=plan.options.repeats, seconds=plan.options.seconds)
        found = [Cell(row.part, row.name, name, threads, peer, **vars(spread)) for peer, spread in spreads.items()]
        _print(found)
        yield from found


def _calls(given: Problem, peers: tuple[Peer, ...]) -> dict[str, Differentiable | Opaque]:
    """What each library does with a problem.

    Raises:
        UserError: one of them computes something else.
    """
    prepared = {peer.name: (peer, peer.prepare(given)) for peer in peers}
    calls = {name: (peer, call) for name, (peer, call) in prepared.items() if call is not None}
    for name, (peer, call) in calls.items():
        apart = 0.0 if peer.is_floor else disagreement(given, call, calls[REFERENCE][1])
        if not apart <= call.tolerance:
            raise UserError(f"{name} and {REFERENCE} differ by {apart:.3g} at {given.row.name}, so times mean nothing")
    return {name: call for name, (_, call) in calls.items()}


def _memory(row: Row, plan: Plan) -> Iterator[MemoryCell]:
    threads = max(plan.threads)
    for peer in _named(memory.MEASURED_PEERS):
        if peer.name in plan.absent:
            continue
        for name, use in memory.measure(row, peer.name, plan.device, threads).items():
            console.print(f"memory of {row.name}, {name}: {peer.name} {use.extra_mb:.2f} MB beyond what it returns")
            yield MemoryCell(row.name, name, threads, peer.name, use.peak_mb, use.returned_mb)


# --- options ---------------------------------------------------------------------------------------------------------


def _device(name: str) -> torch.device:
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


def _threads(words: str, most: int, device: torch.device) -> tuple[int, ...]:
    """1 and all by default; all where they do not matter."""
    default = {most} if device.type == "cuda" else {1, most}
    try:
        counts = {int(word) for word in words.split(",")} if words else default
    except ValueError:
        raise UserError(f"--threads must be whole numbers with commas between; got {words!r}") from None
    if min(counts) < 1:
        raise UserError(f"--threads must be 1 or more; got {min(counts)}")
    return tuple(sorted(counts))


def _any(wanted: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return any(part in parts for part in wanted)


def _within(row: Row, most: int) -> Row:
    """A row of a curve with the thread counts that were asked for."""
    return replace(row, threads=tuple(count for count in row.threads if count <= most))


def _peers(with_compiler: bool) -> tuple[tuple[Peer, ...], dict[str, str]]:
    """Those that can be measured, and why the others cannot."""
    absent = {peer.name: reason for peer in PEERS if (reason := peer.missing())}
    absent |= {peer.name: "not asked for" for peer in PEERS if peer.optional and not with_compiler}
    return tuple(peer for peer in PEERS if peer.name not in absent), absent


def _named(names: tuple[str, ...]) -> tuple[Peer, ...]:
    return tuple(peer for peer in PEERS if peer.name in names)


# --- what is written and printed -------------------------------------------------------------------------------------


def _origin(plan: Plan, tests: str) -> dict[str, Any]:
    origin = provenance(plan.device)
    installed = {"kornia", "opencv-python-headless", "SimpleITK", "scipy", "torch-interpol", "llvmlite", "triton"}
    for package in sorted(installed):
        try:
            origin["versions"][package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return origin | {
        "device_type": plan.device.type,
        "threads": max(plan.threads),
        "load": round(plan.load, 2),
        "tests": tests,
        "settings": {"repeats": plan.options.repeats, "seconds": plan.options.seconds},
        "warp": WORDS,
    }


def _print(cells: list[Cell]) -> None:
    times = ", ".join(f"{cell.peer} {cell.median_ms:.3g}" for cell in cells)
    first = cells[0]
    console.print(f"{first.row}, {PASSES[first.pass_].title}, {first.threads} thread(s), ms: {times}")


def _print_goals(result: Result) -> None:
    for goal in goals(result):
        value = goal.measure(result)
        if value is not None:
            sign = "<=" if goal.at_most else ">="
            verdict = "met" if goal.met(value) else "MISSED"
            console.print(f"{verdict:6}  {goal.words}: {value:.3g} {goal.unit} (goal {sign} {goal.bound:g})")
