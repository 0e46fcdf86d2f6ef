"""Pictures of a result: bars of ratios against PyTorch, and curves."""

from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .passes import PASSES
from .peers import OURS, PEERS, REFERENCE
from .result import Result
from .rows import Row

BLUE, RED, GREY, INK = "#3b5bdb", "#e03131", "#868e96", "#212529"
SHOWN_PASSES = ("forward", "both")
# Other libraries by the form and colour of their marks, in the order of `PEERS`.
MARKS = (
    ("o", "#e8890c"),
    ("D", "#2b8a3e"),
    ("^", "#9c36b5"),
    ("s", "#0b7285"),
    ("v", "#a61e4d"),
    ("P", "#5c940d"),
    ("X", "#495057"),
    ("*", "#d6336c"),
)
PANELS = {  # of the figure of curves: the part, what grows, and the unit
    "batch": ("batch", "images of 3x128x128"),
    "side": ("side length", "one image, 3 channels, pixels"),
    "side of a volume": ("side length of a volume", "one volume, pixels"),
    "channels": ("channels", "8 images of 64x64"),
    "channels, channels_last": ("channels, channels_last", "8 images of 64x64"),
}


def bars(result: Result) -> Figure:
    """How many times as fast as PyTorch, for each row of the matrix.

    Ours are bars, red below 1; others are marks, with a red rim where they are faster than ours.
    """
    rows = result.part("matrix")
    figure = Figure(figsize=(11, 1.3 + 0.36 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(SHOWN_PASSES), sharey=True, sharex=True, squeeze=False)[0]
    for panel, name in zip(panels, SHOWN_PASSES, strict=True):
        _bars(panel, result, rows, name)
    panels[0].set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    count = f"{result.most_threads} thread{'s' * (result.most_threads > 1)}"
    figure.suptitle(f"Times as fast as PyTorch's grid_sample: {result.origin['device']}, {count}", fontsize=11)
    return figure


def _bars(panel: Any, result: Result, rows: list[Row], pass_: str) -> None:
    panel.set_xscale("log")
    panel.set_title(PASSES[pass_].title, fontsize=10)
    for place, row in enumerate(rows):
        ratio = result.ratio(row, pass_)
        if ratio is None:
            continue
        lost = ratio < 1
        look: dict[str, Any] = {"color": RED, "hatch": "///", "edgecolor": "white"} if lost else {"color": BLUE}
        label = "ours, slower than torch" if lost else "ours"
        panel.barh(place, ratio - 1, left=1, height=0.62, label=label, **look)
        beside = panel.get_yaxis_transform()  # x from 0 to 1 across the panel
        text = panel.text(1.01, place, f"{ratio:.2g}x", transform=beside, va="center", fontsize=9, fontweight="bold")
        text.set_color(RED if lost else INK)
    for peer, (form, colour) in _marked():
        _marks(panel, result, rows, pass_, peer, form, colour)
    panel.axvline(1, color=INK, linewidth=1)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(axis="x", labelsize=8)
    panel.grid(axis="x", color="#dee2e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side_ in ("top", "right", "left"):
        panel.spines[side_].set_visible(False)


def _marked() -> Iterable[tuple[str, tuple[str, str]]]:
    others = [peer.name for peer in PEERS if peer.name not in (OURS, REFERENCE) and not peer.is_floor]
    return zip(others, (MARKS * 2)[: len(others)], strict=True)


def _marks(panel: Any, result: Result, rows: list[Row], pass_: str, peer: str, form: str, colour: str) -> None:
    places, ratios, rims = [], [], []
    for place, row in enumerate(rows):
        torch, theirs = (result.median_ms(row, pass_, name) for name in (REFERENCE, peer))
        if torch and theirs:
            places.append(place)
            ratios.append(torch / theirs)
            rims.append(RED if (result.ratio(row, pass_, peer) or 1) < 1 else "white")
    if places:
        widths = [1.6 if rim == RED else 0.6 for rim in rims]
        look: dict[str, Any] = {"marker": form, "color": colour, "edgecolors": rims, "linewidths": widths, "zorder": 4}
        panel.scatter(ratios, places, s=34, **look)
        panel.scatter([], [], s=34, marker=form, color=colour, label=peer)  # without a rim, for the legend


def curves(result: Result, predicted: dict[tuple[str, str], list[float]]) -> Figure:
    """Time against size for every curve of one quantity.

    Args:
        result: with the parts in `PANELS`.
        predicted: part and pass to our time at each point, in milliseconds, by the cost model.
    """
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    panels = figure.subplots(2, 3).flatten()
    for panel, (part, (title, unit)) in zip(panels, PANELS.items(), strict=False):
        rows = result.part(part)
        if not rows:
            panel.set_axis_off()
            continue
        panel.set_title(title, fontsize=10)
        panel.set_xlabel(unit, fontsize=8)
        panel.set_xscale("log")
        panel.set_yscale("log")
        for name, line in zip(SHOWN_PASSES, ("-", "--"), strict=True):
            _curve(panel, result, rows, name, line)
            model = predicted.get((part, name))
            if model:
                panel.plot(_grown(rows), model, "x", color=INK, markersize=6, label="cost model")
        values = _grown(rows)
        panel.set_xticks(values, [str(value) for value in values], fontsize=7, rotation=45)
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.tick_params(axis="y", labelsize=8)
        panel.grid(color="#dee2e6", linewidth=0.6)
        panel.set_ylabel("ms", fontsize=8)
    shown = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    panels[-1].set_axis_off()
    panels[-1].legend(shown.values(), shown.keys(), loc="center", frameon=False)
    return figure


def _curve(panel: Any, result: Result, rows: list[Row], pass_: str, line: str) -> None:
    for peer, colour in ((OURS, BLUE), (REFERENCE, GREY)):
        cells = [result.cell(row, pass_, peer) for row in rows]
        found = [(value, cell) for value, cell in zip(_grown(rows), cells, strict=True) if cell]
        if found:
            values = [value for value, _ in found]
            label = f"{peer}, {PASSES[pass_].title}"
            panel.plot(
                values, [cell.median_ms for _, cell in found], f"o{line}", color=colour, markersize=3, label=label
            )
            low, high = zip(*(cell.quartiles_ms for _, cell in found), strict=True)
            panel.fill_between(values, low, high, color=colour, alpha=0.2, linewidth=0)


def _grown(rows: list[Row]) -> list[int]:
    """The number that grows along a curve."""
    axes = range(len(rows[0].shape))
    axis = next((axis for axis in axes if len({row.shape[axis] for row in rows}) > 1), 0)  # 0 of a single point
    return [row.shape[axis] for row in rows]
