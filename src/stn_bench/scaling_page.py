"""docs/scaling.md: curves, the cost model, and what it says about sizes that were not measured."""

import spatial_transformer as st

from .chart import SHOWN_PASSES
from .cost_model import CLOSE, PARTS, TERMS, UNITS, Checked, group_of, models, share_close, typical_error
from .page import markdown, number, origin_line, render, times
from .passes import PASSES
from .peers import OURS, REFERENCE
from .result import Result
from .rows import Row

Models = dict[tuple[str, str], Checked]

PICTURE = "pictures/scaling.svg"
TITLES = {
    "batch": "Batch",
    "side": "Side length",
    "side of a volume": "Side length of a volume",
    "channels": "Channels",
    "channels, channels_last": "Channels, channels_last",
    "threads": "Threads",
}

# What the predictions for GPUs assume; published by the vendors in datasheets.
BANDWIDTH = {"H100 SXM": 3.35e12, "A100 80GB SXM": 2.04e12}  # bytes of memory per second
PEAK = {"H100 SXM": 989e12, "A100 80GB SXM": 312e12}  # bfloat16 operations per second, dense
LINK = 400e9  # bits per second and GPU between nodes: InfiniBand NDR
REACHED = 0.5  # the share of the bandwidth that is assumed to be reached
LAUNCH = 5e-6  # seconds to start a kernel
# Arrays of the size of the image that a pass reads or writes, and kernels that it starts. Forward reads one and writes
# one. Backward reads cotangent and image for theta, clears the gradient of the image, reads and writes it to add to
# it, and reads the cotangent again.
ARRAYS, LAUNCHES = {"forward": 2, "both": 8}, {"forward": 1, "both": 6}
IMAGENET, SIDE, BATCH, GPUS = 1_281_167, 224, 256, 8
OPERATIONS = 3 * 8.2e9  # for an image through ResNet-50: forward, and twice that backward


def page(result: Result) -> str:
    """The whole of docs/scaling.md."""
    found = models(result)
    close, total = share_close(list(found.values()))
    tables = {title: _curve(result, part, found) for part, title in TITLES.items()}
    return render(
        "scaling.md.jinja",
        origin=origin_line(result),
        picture=PICTURE,
        curves={title: table for title, table in tables.items() if table},
        model=_model(found),
        close=close,
        total=total,
        limit=f"{100 * CLOSE:.0f}",
        typical=f"{100 * typical_error(list(found.values())):.0f}",
        training=_training(found),
        volumes=_volumes(found),
        gpu=_gpu(),
        **_assumptions(),
    )


def predicted(result: Result) -> dict[tuple[str, str], list[float]]:
    """Part and pass to the times of the cost model along the curve, for the picture."""
    found, lines = models(result), {}
    for part in PARTS:
        rows = result.part(part)
        for name in SHOWN_PASSES:
            if rows and all((group_of(row), name) in found for row in rows):
                lines[part, name] = [
                    found[group_of(row), name].model.predict_ms(row, name, row.threads[0]) for row in rows
                ]
    return lines


def _curve(result: Result, part: str, found: Models) -> str:
    rows = result.part(part)
    if not rows:
        return ""
    lines = [["row", "threads"]]
    for name in SHOWN_PASSES:
        lines[0] += [f"{PASSES[name].title}: ours, ms", REFERENCE, "ratio", "model, ms", "error"]
    for row in rows:
        for threads in row.threads:
            cells = [cell for name in SHOWN_PASSES for cell in _cells(result, row, name, threads, found)]
            lines.append([row.name, str(threads), *cells])
    return markdown(lines)


def _cells(result: Result, row: Row, pass_: str, threads: int, found: Models) -> tuple[str, ...]:
    """Ours, torch, ratio, model and its error, in italics where the model was fitted to the point."""
    ours, theirs = (result.median_ms(row, pass_, peer, threads) for peer in (OURS, REFERENCE))
    ratio = result.ratio(row, pass_, threads=threads)
    if ours is None or theirs is None or ratio is None:
        return ("",) * 5
    numbers = number(ours), number(theirs), times(ratio)
    checked = found.get((group_of(row), pass_))
    if checked is None:
        return *numbers, "", ""
    guess = checked.model.predict_ms(row, pass_, threads)
    seen = any(point.fitted and point.row == row and point.threads == threads for point in checked.points)
    percent = round(100 * (guess / ours - 1))
    error = f"{percent:+d} %" if percent else "0 %"  # whose sign processors do not agree on
    return *numbers, number(guess), f"*{error}*" if seen else error


def _model(found: Models) -> str:
    lines = [["curves", "pass", *(f"{term}, {unit}" for term, unit in zip(TERMS, UNITS, strict=True)), "typical error"]]
    for (group, name), checked in found.items():
        numbers = [f"{coefficient:.3g}" for coefficient in checked.model.coefficients]
        lines.append([group, PASSES[name].title, *numbers, f"{100 * typical_error([checked]):.0f} %"])
    return markdown(lines) if found else ""


def _training(found: Models) -> str:
    """ImageNet on CPUs."""
    both_passes = [found.get(("images", name)) for name in SHOWN_PASSES]
    row = Row((BATCH, 3, SIDE, SIDE))
    lines = [["threads", "warps a second", "with both gradients", "an epoch of warps", "with both gradients"]]
    for threads in (1, 8, 64):
        seconds = [one.model.predict_ms(row, one.pass_, threads) / 1000 for one in both_passes if one]
        speeds = [f"{BATCH / s:,.0f}" for s in seconds]
        lines.append([str(threads), *speeds, *(f"{IMAGENET / BATCH * s / 60:,.1f} min" for s in seconds)])
    return markdown(lines) if all(both_passes) else ""


def _volumes(found: Models) -> str:
    """512^3: time by the model, memory by arithmetic."""
    row = Row((1, 1, 512, 512, 512))
    gigabytes = 4 * row.samples / 2**30
    lines = [["pass", "1 thread", "8 threads", "image, output and gradients", "what grids would add"]]
    for name, arrays, grids in zip(SHOWN_PASSES, (2, 4), (3, 6), strict=True):
        checked = found.get(("volumes", name))
        if checked is None:
            return ""
        times = [f"{checked.model.predict_ms(row, name, threads) / 1000:.2g} s" for threads in (1, 8)]
        lines.append([PASSES[name].title, *times, f"{arrays * gigabytes:.1f} GB", f"{grids * gigabytes:.1f} GB"])
    return markdown(lines)


def _gpu() -> str:
    lines = [["GPU", "warp, ms", "with both gradients, ms", "ResNet-50 at its peak, ms", "share of the warp, at most"]]
    array = 4 * 3 * SIDE * SIDE * BATCH  # bytes
    for name, bandwidth in BANDWIDTH.items():
        times = [ARRAYS[p] * array / (REACHED * bandwidth) + LAUNCHES[p] * LAUNCH for p in SHOWN_PASSES]
        network = OPERATIONS * BATCH / PEAK[name]
        cells = [f"{1000 * seconds:.2f}" for seconds in (*times, network)]
        lines.append([name, *cells, f"{100 * times[1] / (times[1] + network):.0f} %"])
    return markdown(lines)


def _assumptions() -> dict[str, object]:
    """What the page says of them."""
    weights = sum(p.numel() for p in st.ConvLocaliser(in_channels=3).parameters())
    return {
        "batch": BATCH,
        "side": SIDE,
        "gpus": GPUS,
        "bandwidths": ", ".join(f"{name} {value / 1e12:g} TB/s" for name, value in BANDWIDTH.items()),
        "peaks": ", ".join(f"{name} {value / 1e12:g} T a second" for name, value in PEAK.items()),
        "reached": f"{100 * REACHED:.0f}",
        "arrays": ARRAYS,
        "launches": LAUNCHES,
        "launch": f"{1e6 * LAUNCH:.0f}",
        "operations": f"{OPERATIONS / 1e9:.0f}",
        "steps": f"{IMAGENET / BATCH / GPUS:,.0f}",
        "weights": f"{weights:,}",
        "exchange": f"{1000 * 2 * 4 * 8 * weights / LINK:.2f}",  # a ring passes each weight on twice
        "link": f"{LINK / 1e9:.0f}",
    }
