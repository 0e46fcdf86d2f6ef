"""Put a page together: run folder to values, values to sections, sections to HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..files import replacing
from . import gallery, undone, wording
from .charts import Chart, Histogram, Words, histogram, line_chart, thin
from .read import Model, Run, Series, Sweep, read_run
from .verdict import change, is_clear, lowest_error, twin, verdict

NAME = "report.html"

# How many pairs stand beside the headline, and how many cards before "show the rest".
HERO, FIRST = 4, 20

# How many colours the style sheet has for models without and with a transformer.
COLOURS = {"plain": 3, "st": 4}


@dataclass(frozen=True)
class Row:
    """One model in the table of errors.

    Attributes:
        model: whose row it is.
        best: whether its error is the lowest.
        against: what it is compared with, None for models without a transformer.
        change: how many fewer or more errors than that, in words.
        clear: whether the two differ by more than chance explains.
        bar: the length of its error as a share of the largest, 0 to 1.
        whisker: one standard error on the same scale.
    """

    model: Model
    best: bool
    against: Model | None
    change: str
    clear: bool
    bar: float
    whisker: float


@dataclass(frozen=True)
class Hero:
    """The pictures beside the headline, and model label to the classes answered for them."""

    sheet: gallery.Sheet
    answers: dict[str, list[str]]


@dataclass(frozen=True)
class Framing:
    """How well the regions that a model samples fit the true boxes.

    Attributes:
        mean: intersection over union.
        found: for how many test images, in percent, it is 0.5 or more.
        chart: of all of them.
    """

    mean: float
    found: float
    chart: Histogram | None


def write_report(run: Path) -> Path:
    """Write the report of a run: one HTML file that needs nothing else.

    Args:
        run: the run folder; holds `config.json`, `results.json` and what the models left.

    Returns:
        The path of the page, `report.html` in the run folder. It is there whole or not at all.

    Raises:
        UserError: `config.json` or `results.json` is missing or damaged.
    """
    page = render(read_run(run))
    with replacing(run / NAME) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return run / NAME


def render(run: Run) -> str:
    """The page of a run, as HTML."""
    shown = sorted(run.models, key=lambda model: not model.has_transformer)
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            run=run,
            verdict=verdict(run.models),
            inks=inks(run.models),
            rows=rows(run.models),
            hero=hero(run.models),
            accounts=[(model, account) for model in run.models for account in undone.accounts(model)],
            warned=[model for model in run.models if model.warnings],
            framings=[(model, framing) for model in run.models if (framing := framing_of(model))],
            first=FIRST,
            curves=curves(run.models),
            sheets=[(model, sheet) for model in shown if (sheet := gallery.sheet(model))],
            confusions=[(model, table) for model in run.models if (table := gallery.confusion(model))],
            hardest=[(model, sheet) for model in shown if (sheet := gallery.hardest(model))],
            means=[(model, means) for model in run.models for means in gallery.means(model)],
            films=[(model, film) for model in run.models for film in gallery.films(model)],
            histograms=[(model, *one) for model in run.models for one in histograms(model)],
            sweeps=[chart for sweep in run.sweeps if (chart := sweep_chart(sweep))],
            loaded=lowest_error(model for model in run.models if model.is_saved),
            origins=origins(run.models),
        )
    )


def inks(models: Sequence[Model]) -> dict[str, str]:
    """Model label to the name of its colour in the style sheet; models with a transformer have colours of their own."""
    taken = {"plain": 0, "st": 0}
    names = {}
    for model in models:
        kind = "st" if model.has_transformer else "plain"
        names[model.label] = f"{kind}-{taken[kind] % COLOURS[kind]}"
        taken[kind] += 1
    return names


def hero(models: Sequence[Model]) -> Hero | None:
    """The first test images: what the best transformer makes of them, and what it and its twin answer."""
    best = lowest_error(model for model in models if model.has_transformer)
    if best is None or "warped" not in best.pictures or not (sheet := gallery.sheet(best, HERO)):
        return None
    rival = twin(best, models)
    both = [model for model in (rival, best) if model and gallery.same_images(model, best, HERO)]
    return Hero(
        sheet,
        {model.label: [model.class_name(answer) for answer in model.pictures["predictions"][:HERO]] for model in both},
    )


def rows(models: Sequence[Model]) -> list[Row]:
    """The table of errors."""
    tested = [model for model in models if math.isfinite(model.number("error_percent"))]
    best = lowest_error(tested) if len(tested) > 1 else None  # alone, it has won against nobody
    longest = max((_reach(model) for model in models), default=0.0) or 1.0
    return [_row(model, models, best is model, longest) for model in models]


def curves(models: Sequence[Model]) -> list[Chart]:
    """Validation error and training loss against the step."""
    errors = {m.label: _percent(m.metrics["validation/error"]) for m in models if "validation/error" in m.metrics}
    losses = {m.label: thin(m.metrics["train/loss"]) for m in models if "train/loss" in m.metrics}
    kept = {model.label: model.number("best_step") for model in models if math.isfinite(model.number("best_step"))}
    charts = [
        line_chart(errors, Words("Validation error", "training step", "error, %"), best=kept),
        line_chart(losses, Words("Training loss", "training step", "cross-entropy, nats"), dots=False),
    ]
    return [chart for chart in charts if chart]


def sweep_chart(sweep: Sweep) -> Chart | None:
    """Error against the amount of one distortion."""
    return line_chart(
        {label: Series(sweep.amounts, errors) for label, errors in sweep.error_percent.items()},
        Words(f"Error against {sweep.kind}", f"{sweep.kind}, {sweep.unit}" if sweep.unit else sweep.kind, "error, %"),
        band=sweep.trained,
        x_values=sweep.amounts[:: math.ceil(len(sweep.amounts) / 7)],
    )


def histograms(model: Model) -> list[tuple[str, list[Histogram]]]:
    """For each transformer, its name and one histogram for each parameter that it predicts."""
    arrays = model.pictures
    if not {"theta", "identity"} <= arrays.keys():
        return []
    theta, identity = arrays["theta"], arrays["identity"]  # (T, K, P), (K, P)
    names = arrays.get("theta_names", [f"θ{p}" for p in range(1, theta.shape[2] + 1)])
    found = []
    for k, transformer in enumerate(gallery.transformer_names(theta.shape[1])):
        columns = zip(names, theta[:, k].T, identity[k], strict=True)
        charts = [histogram(str(name), values, float(start)) for name, values, start in columns]
        found.append((transformer, [chart for chart in charts if chart]))
    return [(transformer, charts) for transformer, charts in found if charts]


def framing_of(model: Model) -> Framing | None:
    """How well regions fit true boxes; None where there are no boxes, or no transformer."""
    mean, found = model.number("box_overlap_mean"), model.number("boxes_found_percent")
    if not math.isfinite(mean):
        return None
    overlaps = model.pictures.get("overlaps", np.empty(0))
    return Framing(mean, found, histogram("IoU", overlaps, 0.5))


def origins(models: Sequence[Model]) -> dict[str, list[str]]:
    """Where the numbers come from, and the models for which that holds."""
    found: dict[str, list[str]] = {}
    for model in models:
        result = {"commit": "", "device": "", "versions": "", "date": ""} | {
            key: wording.plain(value) for key, value in model.result.items() if value is not None
        }
        commit = f"commit {result['commit']}" if result["commit"] else ""
        text = " · ".join(part for part in (commit, result["device"], result["versions"]) if part)
        found.setdefault(text, []).append(f"{model.label} {result['date'][:16].replace('T', ' ')}".strip())
    return found


def _row(model: Model, models: Sequence[Model], best: bool, longest: float) -> Row:
    against = twin(model, models) if model.has_transformer else None
    return Row(
        model=model,
        best=best,
        against=against,
        change=change(model, against) if against else wording.MISSING,
        clear=against is not None and is_clear(model, against),
        bar=_known(model.number("error_percent")) / longest,
        whisker=_known(model.number("standard_error")) / longest,
    )


def _reach(model: Model) -> float:
    return _known(model.number("error_percent")) + _known(model.number("standard_error"))


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _percent(series: Series) -> Series:
    return Series(series.steps, tuple(100 * value for value in series.values))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = (wording.percent, wording.whole_percent, wording.error, wording.count, wording.short, wording.duration)
    words = (*numbers, wording.plain, wording.literal, wording.distortion, wording.unbroken, wording.with_code)
    environment.filters.update({word.__name__: word for word in words})
    return environment
