"""How long calls take: interleaved in one process, medians with quartiles."""

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

# A sample is the mean of as many calls as fill this time, in seconds: the clock and the loop are then nothing.
SHORTEST_SAMPLE = 0.002
# Before a sample nothing runs for this long. Threads that wait for work of one library keep a core busy for some
# milliseconds, which would count against the library that comes next.
PAUSE = 0.006
# A call shorter than this is made once before its sample, so that it does not pay for caches that another has filled.
SHORT_CALL = 0.02
FEWEST_SAMPLES = 5


@dataclass(frozen=True)
class Spread:
    """The median, the quartiles, and of how many samples."""

    median_ms: float
    quartiles_ms: tuple[float, float]
    samples: int

    @classmethod
    def of(cls, seconds: list[float]) -> "Spread":
        low, middle, high = (1000 * q for q in statistics.quantiles(seconds, n=4, method="inclusive"))
        return cls(middle, (low, high), len(seconds))


def interleave(
    functions: dict[str, Callable[[], Any]], device: torch.device, *, repeats: int, seconds: float
) -> dict[str, Spread]:
    """Time functions in turn: a disturbance of the machine meets all of them alike.

    Args:
        functions: what is timed, by name.
        device: where they run.
        repeats: samples of each.
        seconds: a function that has had this much time gets no more samples, once it has `FEWEST_SAMPLES`.

    Returns:
        The spread of each.
    """
    rhythms = {name: _rhythm(function, device) for name, function in functions.items()}
    samples: dict[str, list[float]] = {name: [] for name in functions}
    enough = min(FEWEST_SAMPLES, repeats)
    gc.collect()
    gc.disable()
    try:
        for turn in range(repeats):
            for name, function in functions.items():
                if turn < enough or sum(samples[name]) * rhythms[name].calls < seconds:
                    samples[name].append(_sample(function, rhythms[name], device))
    finally:
        gc.enable()
    return {name: Spread.of(taken) for name, taken in samples.items()}


@dataclass(frozen=True)
class _Rhythm:
    """Calls per sample, and whether one is made before that does not count."""

    calls: int
    warm: bool


def _rhythm(function: Callable[[], Any], device: torch.device) -> _Rhythm:
    function()  # compiles, allocates, reads pages
    once = _stopwatch(function, 1, device)
    return _Rhythm(max(1, math.ceil(SHORTEST_SAMPLE / once)), once < SHORT_CALL)


def _sample(function: Callable[[], Any], rhythm: _Rhythm, device: torch.device) -> float:
    """Seconds per call."""
    time.sleep(PAUSE)
    if rhythm.warm:
        function()
    return _stopwatch(function, rhythm.calls, device) / rhythm.calls


def _stopwatch(function: Callable[[], Any], calls: int, device: torch.device) -> float:
    if device.type == "cuda":
        return _gpu_stopwatch(function, calls)
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start


def _gpu_stopwatch(function: Callable[[], Any], calls: int) -> float:
    """Between two events on the stream, so that what the device has not finished yet counts."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000
