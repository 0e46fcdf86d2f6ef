"""What the library promises about its speed, and whether a result keeps it."""

from collections.abc import Callable
from dataclasses import dataclass

from .peers import FLOOR
from .result import Result, geometric_mean
from .rows import EVERY_PASS, MATRIX_WARPS, Row


@dataclass(frozen=True)
class Goal:
    """A promise.

    Attributes:
        words: what is measured.
        bound: that the value must reach.
        measure: the value in a result; None if it was not measured.
        unit: of value and bound.
        at_most: whether small is good.
    """

    words: str
    bound: float
    measure: Callable[[Result], float | None]
    unit: str = "x"
    at_most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


def goals(result: Result) -> tuple[Goal, ...]:
    """Those of the device that was measured."""
    return ON_GPU if result.origin["device_type"] == "cuda" else ON_CPU


def _mean(pass_: str) -> Callable[[Result], float | None]:
    return lambda result: geometric_mean(result.ratios(result.part("matrix"), pass_))


def _least(
    passes: tuple[str, ...], peer: str = "torch", of: Callable[[Row], bool] = lambda row: True
) -> Callable[[Result], float | None]:
    """The smallest ratio over rows and passes."""

    def measure(result: Result) -> float | None:
        rows = [row for row in result.part("matrix") if of(row)]
        return min((ratio for name in passes for ratio in result.ratios(rows, name, peer)), default=None)

    return measure


def _shortest(result: Result) -> float | None:
    return min((ratio for name in EVERY_PASS for ratio in result.ratios(result.part("short"), name)), default=None)


def _is_single(row: Row) -> bool:
    return row.shape[0] == 1


def _above_floor(result: Result) -> float | None:
    """Our time over that of a copy, the worst of the single images."""
    rows = [row for row in result.part("matrix") if _is_single(row) and row.dims == 2]
    return max((1 / ratio for ratio in result.ratios(rows, "forward", FLOOR)), default=None)


def _extra_per_thread(result: Result) -> float | None:
    names = {row.name for row in result.part("matrix") if row.warp in MATRIX_WARPS}
    used = [cell.extra_mb / cell.threads for cell in result.memory if cell.peer == "ours" and cell.row in names]
    return max(used, default=None)


def _double(result: Result) -> float | None:
    return min(result.ratios(result.part("second order"), "double"), default=None)


def _first_call(cache: str) -> Callable[[Result], float | None]:
    return lambda result: result.cold_start[cache].both_s if cache in result.cold_start else None


def _slowest_deterministic(result: Result) -> float | None:
    return max(result.ratios(result.part("matrix"), "both", "ours, deterministic"), default=None)


ON_CPU = (
    Goal("against torch, forward: geometric mean over the matrix", 5, _mean("forward")),
    Goal("against torch, forward + both gradients: geometric mean", 4, _mean("both")),
    Goal("against torch: the worst of all cells", 1.3, _least(EVERY_PASS)),
    Goal("against torch: the worst single image or volume, forward", 5, _least(("forward",), of=_is_single)),
    Goal("the same, forward + both gradients", 5, _least(("both",), of=_is_single)),
    Goal("short calls and few channels, against torch: the worst of all cells", 1, _shortest),
    Goal("against OpenCV, forward: the worst row", 1, _least(("forward",), "OpenCV")),
    Goal("against SimpleITK, forward: the worst volume", 1.5, _least(("forward",), "SimpleITK")),
    Goal("large images, forward: time over that of memcpy", 3, _above_floor, at_most=True),
    Goal("memory of a matrix warp beyond outputs and gradients, per thread", 1, _extra_per_thread, "MB", at_most=True),
    Goal("double backward at 4x16x128x128, against torch", 4, _double),
    Goal("first call and gradients with an empty cache", 8, _first_call("empty"), "s", at_most=True),
    Goal("the same with a warm cache", 0.5, _first_call("warm"), "s", at_most=True),
)
ON_GPU = (
    Goal(
        "against torch, forward + both gradients, C <= 4: worst row",
        2.5,
        _least(("both",), of=lambda r: r.shape[1] <= 4),
    ),
    Goal("against torch.compile, the same", 1.2, _least(("both",), "torch.compile", lambda r: r.shape[1] <= 4)),
    Goal("against torch, C >= 64: the worst of all cells", 1, _least(EVERY_PASS, of=lambda r: r.shape[1] >= 64)),
    Goal("deterministic mode: time over that of the fast one", 2, _slowest_deterministic, at_most=True),
)
