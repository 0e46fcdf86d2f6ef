"""Charts: values to positions, and the writing of numbers."""

import math

import numpy as np
import pytest

from stn_lab.views import wording
from stn_lab.views.charts import BOTTOM, LEFT, RIGHT, Axis, Words, histogram, line_chart, thin
from stn_lab.views.read import Series
from stn_lab.views.wording import MINUS, MISSING

WORDS = Words("title", "step", "error, %")


def test_axis_maps_ends_to_ends():
    plain, log = Axis(0, 10, 100, 200), Axis(1, 100, 100, 200, log=True)
    assert [plain(0), plain(5), plain(10)] == [100, 150, 200]
    assert [log(1), log(10), log(100)] == pytest.approx([100, 150, 200])


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1200, ["0", "200", "400", "600", "800", "1,000", "1,200"]),
        (-0.31, 0.28, [f"{MINUS}0.3", f"{MINUS}0.2", f"{MINUS}0.1", "0", "0.1", "0.2"]),
        (0, 2, ["0", "0.5", "1", "1.5", "2"]),
    ],
)
def test_ticks_are_round(low, high, texts):
    assert [tick.text for tick in Axis(low, high, 0, 1).ticks(6)] == texts


def test_log_ticks():
    assert [tick.text for tick in Axis(1.5, 90, 0, 1, log=True).ticks()] == ["2", "5", "10", "20", "50"]
    assert [tick.text for tick in Axis(0.001, 90, 0, 1, log=True).ticks()] == ["0.001", "0.01", "0.1", "1", "10"]


def test_line_is_interrupted_where_values_are_missing():
    chart = line_chart({"cnn": Series((0, 1, 2, 3, 4), (1, 1, math.nan, 1, 1))}, WORDS)
    assert chart.lines[0].path.count("M") == 2
    assert len(chart.lines[0].marks) == 4
    assert [mark.x for mark in chart.lines[0].marks][:: len(chart.lines[0].marks) - 1] == [LEFT, RIGHT]


def test_scale_is_logarithmic_when_values_span_decades_and_says_so():
    wide = line_chart({"cnn": Series((0, 1), (90, 3))}, WORDS)
    narrow = line_chart({"cnn": Series((0, 1), (9, 3))}, WORDS)
    zero = line_chart({"cnn": Series((0, 1), (90, 0))}, WORDS)
    assert [chart.words.y for chart in (wide, narrow, zero)] == ["error, % (logarithmic)", "error, %", "error, %"]
    assert zero.lines[0].marks[1].y == BOTTOM


def test_ring_is_at_the_step_nearest_to_the_best():
    chart = line_chart({"cnn": Series((9, 19, 29), (3, 2, 1))}, WORDS, best={"cnn": 20})
    assert [mark.best for mark in chart.lines[0].marks] == [False, True, False]


def test_nothing_to_draw_is_no_chart():
    assert line_chart({}, WORDS) is None
    assert line_chart({"cnn": Series((0, 1), (math.nan, math.inf))}, WORDS) is None
    assert histogram("tx", np.array([np.nan]), 0.0) is None


@pytest.mark.parametrize("values", [(0, 0), (5, 5)])
def test_constant_curves_and_single_points_are_drawn(values):
    assert "nan" not in line_chart({"cnn": Series((0, 1), values)}, WORDS).lines[0].path
    assert line_chart({"cnn": Series((7,), (values[0],))}, WORDS).lines[0].marks


def test_thin_takes_means_and_forgets_nan():
    series = Series(tuple(range(8)), (1, 3, math.nan, 5, math.nan, math.nan, 7, 9))
    assert thin(series, 10).steps == series.steps
    thinned = thin(series, 4)
    assert thinned.steps == (0.5, 2.5, 4.5, 6.5)
    np.testing.assert_equal(thinned.values, (2, 5, math.nan, 8))


def test_histogram_counts_everything_and_marks_the_identity():
    values = np.repeat([0.2, 0.8], [30, 10])
    found = histogram("scale", values, 1.0)
    (_, _, _, high), (_, _, _, low) = found.bars
    assert high == pytest.approx(3 * low)
    assert found.mark.text == "1"
    assert found.bars[-1][0] < found.mark.position
    assert found.summary == "0.35 ± 0.26"


def test_histogram_of_a_parameter_that_never_changes():
    found = histogram("scale", np.ones(5), 1.0)
    assert len(found.bars) == 1
    assert found.summary == "1"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.percent(12.345), "12.3 %"),
        (wording.percent(0.345), "0.34 %"),
        (wording.percent(0.0), "0.0 %"),
        (wording.percent(None), MISSING),
        (wording.error(12.345, 0.81), "12.3 ± 0.8 %"),
        (wording.error(0.7, 0.08), "0.70 ± 0.08 %"),
        (wording.error(5.0, math.nan), "5.0 %"),
        (wording.count(61234), "61,234"),
        (wording.count("many"), MISSING),
        (wording.short(-0.0783), f"{MINUS}0.0783"),
        (wording.spread(0.0046, 0.162), "0.00 ± 0.16"),
        (wording.spread(-130.4, 25.0), f"{MINUS}130 ± 25"),
        (wording.duration(44.4), "44 s"),
        (wording.duration(722), "12 min"),
        (wording.duration(12240), "3.4 h"),
        (wording.plain({"a": [1, None], "b": True}), "a 1, none, b yes"),
        (wording.distortion("RTS"), "rotated, scaled and shifted"),
        (wording.distortion("new"), "distorted (new)"),
    ],
)
def test_wording(written, expected):
    assert written == expected
