"""A result with numbers that were made up, so that what is written about them is known."""

import pytest

from stn_bench.cold_start import FirstCall
from stn_bench.result import Cell, MemoryCell, Result
from stn_bench.rows import MATRIX, SECOND_ORDER, curves

ORIGIN = {
    "device": "A processor",
    "device_type": "cpu",
    "threads": 2,
    "date": "2026-11-24T10:00:00+00:00",
    "versions": {"torch": "2.13.0", "kornia": "0.9.0"},
    "commit": "abc1234",
    "load": 0.1,
    "tests": "844 passed in 20.00s",
    "settings": {"repeats": 5, "seconds": 1.0},
    "warp": "turned",
}


def made_up_ms(row, pass_, threads):
    """0.1 ms a call and 10 ns a value, three times as much with gradients."""
    work = 1e-5 * row.samples * row.shape[1] * (3 if pass_ != "forward" else 1)
    return 0.1 + work / threads


def cells(row, threads, slower):
    """Ours, and libraries that take so many times as long."""
    for name in row.passes:
        ours = made_up_ms(row, name, threads)
        times = {"ours": ours, **{peer: factor * ours for peer, factor in slower.items()}}
        for peer, ms in times.items():
            yield Cell(row.part, row.name, name, threads, peer, ms, (0.9 * ms, 1.1 * ms), 5)


@pytest.fixture
def result():
    rows = (*MATRIX, *SECOND_ORDER, *curves(2))
    slower = {"torch": 6.0, "Kornia": 8.0, "OpenCV": 0.5, "SimpleITK": 2.0, "memcpy": 0.25}
    found = [cell for row in rows for threads in row.threads or (1, 2) for cell in cells(row, threads, slower)]
    memory = [
        MemoryCell(row.name, "both", 2, peer, peak, 10.0)
        for row in MATRIX
        for peer, peak in (("ours", 10.5), ("torch", 40.0))
    ]
    cold = {"empty": FirstCall(1.0, 3.0, 5.0), "warm": FirstCall(1.0, 0.1, 0.7)}
    return Result(ORIGIN, list(rows), found, memory, cold, {"SciPy": "scipy is not installed"})
