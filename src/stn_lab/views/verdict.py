"""Who wins, by how much, and whether the numbers allow to say so."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import wording
from .read import Model

# Differences within this many standard errors are called a draw.
CLEAR = 2.0

# Networks are of one size when their numbers of parameters differ by less than this share.
ALIKE = 0.05


@dataclass(frozen=True)
class Verdict:
    """The headline of the page, the sentence under it, and the model with a transformer that they are about."""

    headline: str
    detail: str
    model: Model | None = None


def verdict(models: Sequence[Model]) -> Verdict:
    """The sentence that the run stands for: the best model with a transformer against its twin without one."""
    best = lowest_error(model for model in models if model.has_transformer)
    rival = twin(best, models) if best else lowest_error(models)
    if best and rival:
        return Verdict(_headline(best, rival), _comparison(best, rival), best)
    if only := best or rival:
        return _alone(only)
    return Verdict("No results yet", "No model of this run has been tested.")


def twin(model: Model, models: Iterable[Model]) -> Model | None:
    """The same network without a transformer; failing that, the best one without."""
    plain = [other for other in models if not other.has_transformer and math.isfinite(other.number("error_percent"))]
    same = (other for other in plain if other.label == _plain_label(model))
    return next(same, lowest_error(plain))


def lowest_error(models: Iterable[Model]) -> Model | None:
    """The model with the lowest test error; None when none has been tested."""
    tested = [model for model in models if math.isfinite(model.number("error_percent"))]
    return min(tested, key=lambda model: model.number("error_percent"), default=None)


def change(model: Model, rival: Model) -> str:
    """How many fewer or more errors a model makes than its rival, in words."""
    mine, other = model.number("error_percent"), rival.number("error_percent")
    if not math.isfinite(mine - other):
        return wording.MISSING
    if mine == other:
        return "as many errors"
    if other == 0:
        return "more errors"
    if mine >= 2 * other:
        return f"{mine / other:.1f} times the errors"
    share = 100 * abs(mine - other) / other
    return f"{share:.0f} % {'fewer' if mine < other else 'more'} errors"


def is_clear(model: Model, rival: Model) -> bool:
    """Whether two errors differ by more than chance explains."""
    apart = abs(model.number("error_percent") - rival.number("error_percent"))
    spread = [model.number("standard_error"), rival.number("standard_error")]
    return apart > CLEAR * math.hypot(*(0.0 if math.isnan(s) else s for s in spread))


def _headline(best: Model, rival: Model) -> str:
    if not is_clear(best, rival):
        return "With or without the spatial transformer: too close to call"
    if best.number("error_percent") < rival.number("error_percent"):
        return f"With a spatial transformer, the network makes {change(best, rival)}"
    return f"Here the spatial transformer loses: {change(best, rival)}"


def _comparison(best: Model, rival: Model) -> str:
    images = best.number("test_images")
    of = "the test images" if math.isnan(images) else f"{wording.count(images)} test images"
    return f"{best.label} gets {_error(best)} of {of} wrong; {rival.label}, {_relation(best, rival)}, {_error(rival)}."


def _relation(best: Model, rival: Model) -> str:
    if rival.label != _plain_label(best):
        return "the best network without it"
    mine, other = best.number("parameters"), rival.number("parameters")
    if mine - best.number("localiser_parameters") == other:
        return "the same network without it"
    return f"the same kind {'and size ' if abs(mine - other) < ALIKE * other else ''}of network without it"


def _plain_label(model: Model) -> str:
    """ "st-cnn:tps" is a "cnn"."""
    return model.label.partition(":")[0].removeprefix("st-")


def _alone(model: Model) -> Verdict:
    missing = "without a transformer" if model.has_transformer else "with a spatial transformer"
    headline = f"{model.label} gets {wording.percent(model.number('error_percent'))} of the test images wrong"
    about = model if model.has_transformer else None
    return Verdict(headline, f"This run has no tested model {missing} to compare with.", about)


def _error(model: Model) -> str:
    return wording.error(model.number("error_percent"), model.number("standard_error"))
