"""`stn bench`: refuse on red, measure, write."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from stn_lab.errors import UserError
from stn_lab.training.provenance import provenance

from . import cold_start, memory
from .agreement import disagreement
from .goals import goals
from .passes import PASSES
from .peers import OURS, REFERENCE, Differentiable, Opaque, Peer, set_threads
from .plan import Plan, named
from .problem import WORDS, Problem, problem
from .result import Cell, MemoryCell, Result
from .rows import Row
from .timing import interleave

ROOT = Path(__file__).parents[2]
TESTS = Path("tests", "spatial_transformer", "ops")
# On curves only these are measured: they are about the library, not about others.
CURVE_PEERS = (OURS, REFERENCE)
SHORT_PEERS = (*CURVE_PEERS, "torch, our points")

console = Console(highlight=False, soft_wrap=True)


def bench(plan: Plan, output: Path) -> Result:
    """Everything that is planned, written to a file.

    Raises:
        UserError: tests that fail, or a library that computes something else.
    """
    tests = check_tests(ROOT) if plan.tested else "skipped"
    result = Result(_origin(plan, tests), absent=plan.absent)
    for row in plan.rows:
        result.rows.append(row)
        result.cells += [cell for threads in row.threads or plan.threads for cell in _time(row, threads, plan)]
        result.write(output)  # what was measured stays, whatever happens next
    reason = memory.unavailable(plan.device)
    if "memory" in plan.parts and reason is not None:
        result.absent["memory"] = reason
    elif "memory" in plan.parts:
        result.memory += [cell for row in plan.matrix for cell in _memory(row, plan)]
    if "cold-start" in plan.parts:
        console.print("the first call, with an empty and with a warm cache ...")
        result.cold_start = cold_start.measure()
    result.write(output)
    set_threads(plan.all_threads)
    _print_goals(result)
    console.print(f"Written: {output}")
    return result


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
    peers = {"matrix": plan.peers, "second order": plan.peers, "short": named(SHORT_PEERS)}
    calls = _calls(given, peers.get(row.part, named(CURVE_PEERS)))
    for name in row.passes:
        if name not in plan.passes:
            continue
        timed = {peer: PASSES[name].of(call, given.cotangent) for peer, call in calls.items()}
        functions = {peer: function for peer, function in timed.items() if function is not None}
        spreads = interleave(functions, plan.device, repeats=plan.repeats, seconds=plan.seconds)
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
    for peer in named(memory.MEASURED_PEERS):
        if peer.name in plan.absent:
            continue
        for name, use in memory.measure(row, peer.name, plan.device, threads).items():
            console.print(f"memory of {row.name}, {name}: {peer.name} {use.extra_mb:.2f} MB beyond what it returns")
            yield MemoryCell(row.name, name, threads, peer.name, use.peak_mb, use.returned_mb)


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
        "settings": {"repeats": plan.repeats, "seconds": plan.seconds},
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
