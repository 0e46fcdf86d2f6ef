"""docs/benchmarks.md and the README's figure, from a result. What they say is in templates/."""

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .goals import Goal, goals
from .passes import PASSES
from .peers import OURS, PEERS, REFERENCE
from .result import Cell, Result, geometric_mean
from .rows import EVERY_PASS, Row

PICTURE = "pictures/benchmarks.svg"
BEGIN, END = "<!-- benchmarks: written by `make tables` -->\n", "<!-- end of benchmarks -->\n"
LOST = "▼"
FLOORS = tuple(peer.name for peer in PEERS if peer.is_floor)


def page(result: Result, picture: str = PICTURE) -> str:
    """The whole of docs/benchmarks.md, or of the page of another device with its picture."""
    return render(
        "benchmarks.md.jinja",
        result=result,
        origin=origin_line(result),
        versions=_versions(result),
        picture=picture,
        lost=LOST,
        threads=count(result.most_threads),
        goals=_goals(result),
        tables=_tables(result),
        second_order=_second_order(result),
        memory=_memory(result),
        cold_start=_cold_start(result),
    )


def readme_block(result: Result) -> str:
    """What stands between the markers of the README."""
    rows = [["how much faster than", "forward", "worst row", "forward + both gradients", "worst row"]]
    for peer in _others(result):
        ratios = [result.ratios(result.part("matrix"), name, peer) for name in ("forward", "both")]
        cells = [cell for of in ratios for cell in (times(geometric_mean(of)), times(min(of, default=None)))]
        rows.append([peer if peer != REFERENCE else "torch: `affine_grid` + `grid_sample`", *cells])
    met, measured = _goals_met(result)
    return render(
        "readme.md.jinja",
        picture=PICTURE,
        table=markdown(rows),
        origin=origin_line(result),
        met=met,
        measured=measured,
    )


def render(template: str, **values: Any) -> str:
    """A page of Markdown from a template beside this file."""
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)


def origin_line(result: Result) -> str:
    """Device, threads, precision, version and day."""
    origin = result.origin
    words = [origin["device"], count(origin["threads"]), "float32", f"torch {origin['versions']['torch']}"]
    return ", ".join([*words, origin["date"][:10]])


def _versions(result: Result) -> str:
    versions = result.origin["versions"].items()
    return ", ".join(f"{name} {version}" for name, version in versions if name not in ("torch", "lightning"))


def _goals(result: Result) -> str:
    rows = [["goal", "", "measured", ""]]
    for goal in goals(result):
        value = goal.measure(result)
        if value is None:
            rows.append([goal.words, _bound(goal), "not measured", ""])
        else:
            verdict = "met" if goal.met(value) else f"**{LOST} missed**"
            rows.append([goal.words, _bound(goal), f"{number(value)} {goal.unit}", verdict])
    return markdown(rows)


def _goals_met(result: Result) -> tuple[int, int]:
    """How many are met, and how many were measured."""
    values = [(goal, goal.measure(result)) for goal in goals(result)]
    met = [goal.met(value) for goal, value in values if value is not None]
    return sum(met), len(met)


def _bound(goal: Goal) -> str:
    return f"{'≤' if goal.at_most else '≥'} {goal.bound:g} {goal.unit}"


def _tables(result: Result) -> dict[str, str]:
    """Title to table, all threads first."""
    titles = {
        (name, n): f"{PASSES[name].title.capitalize()}, {count(n)}" for n in _threads(result) for name in EVERY_PASS
    }
    tables = {title: _table(result, "matrix", *key) for key, title in titles.items()}
    tables |= {f"Short calls. {title}": _table(result, "short", *key) for key, title in titles.items()}
    return {title: table for title, table in tables.items() if table}


def _table(result: Result, part: str, pass_: str, threads: int) -> str:
    rows = [row for row in result.part(part) if result.cell(row, pass_, OURS, threads)]
    if not rows:
        return ""
    peers = [name for name in _measured(result) if any(result.cell(row, pass_, name, threads) for row in rows)]
    lines = [["row", "ours, ms (quartiles)", *peers]]
    lines += [[row.name, *_cells(result, row, pass_, peers, threads)] for row in rows]
    means = {peer: geometric_mean(result.ratios(rows, pass_, peer, threads)) for peer in peers}
    lines.append(["geometric mean", "", *(_against(peer, mean) for peer, mean in means.items())])
    return markdown(lines)


def _cells(result: Result, row: Row, pass_: str, peers: Sequence[str], threads: int) -> Iterable[str]:
    ours = result.cell(row, pass_, OURS, threads)
    yield _with_quartiles(ours) if ours else ""
    for peer in peers:
        theirs, ratio = (look(row, pass_, peer, threads) for look in (result.median_ms, result.ratio))
        yield f"{number(theirs)} ({_against(peer, ratio)})" if theirs and ratio else ""


def _against(peer: str, ratio: float | None) -> str:
    """The ratio of their time to ours; the other way round for a floor, which nobody goes below."""
    return f"ours {number(1 / ratio)}x" if ratio and peer in FLOORS else times(ratio)


def _second_order(result: Result) -> str:
    peers = (REFERENCE, "Kornia")
    lines = [["row", "pass", "threads", "ours, ms (quartiles)", *peers]]
    for row in result.part("second order"):
        for name in row.passes:
            for threads in _threads(result):
                if result.cell(row, name, OURS, threads):
                    cells = _cells(result, row, name, peers, threads)
                    lines.append([row.name, PASSES[name].title, str(threads), *cells])
    return markdown(lines) if len(lines) > 1 else ""


def _memory(result: Result) -> str:
    if not result.memory:
        return ""
    peers = list(dict.fromkeys(cell.peer for cell in result.memory))
    found = {(cell.row, cell.pass_, cell.peer): cell for cell in result.memory}
    lines = [["row", "pass", "output and gradients, MB", *(f"{peer}, MB more" for peer in peers)]]
    for row, name in dict.fromkeys((cell.row, cell.pass_) for cell in result.memory):
        cells = [found.get((row, name, peer)) for peer in peers]
        returned = next(f"{cell.returned_mb:.2f}" for cell in cells if cell)
        lines.append([row, PASSES[name].title, returned, *("" if c is None else f"{c.extra_mb:.2f}" for c in cells)])
    return markdown(lines)


def _cold_start(result: Result) -> str:
    if not result.cold_start:
        return ""
    lines = [["cache of kernels", "first warp, s", "with gradients, s", "import before it, s"]]
    lines += [
        [cache, f"{call.forward_s:.2f}", f"{call.both_s:.2f}", f"{call.import_s:.2f}"]
        for cache, call in result.cold_start.items()
    ]
    return markdown(lines)


def _threads(result: Result) -> list[int]:
    """All threads first."""
    return sorted({cell.threads for cell in result.cells if cell.part != "threads"}, reverse=True)


def _measured(result: Result) -> list[str]:
    """Every library but ours, floors last, in the order of `PEERS`."""
    found = {cell.peer for cell in result.cells}
    return [peer.name for peer in PEERS if peer.name in found and peer.name != OURS]


def _others(result: Result) -> list[str]:
    return [name for name in _measured(result) if name not in FLOORS and not name.startswith(OURS)]


def _with_quartiles(cell: Cell) -> str:
    return f"{number(cell.median_ms)} ({' to '.join(number(q) for q in cell.quartiles_ms)})"


def times(ratio: float | None) -> str:
    """A ratio; marked where ours is the slower one."""
    if ratio is None:
        return ""
    return f"**{LOST} {number(ratio)}x**" if ratio < 1 else f"{number(ratio)}x"


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def count(threads: int) -> str:
    """ "1 thread", "2 threads"."""
    return f"{threads} thread{'s' * (threads > 1)}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
