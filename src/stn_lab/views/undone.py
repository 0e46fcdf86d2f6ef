"""What a transformer undoes of how things lie, and what it has not learned, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import wording
from .gallery import transformer_names
from .number import as_number
from .read import Model

# What is undone by less, in percent, has not been learned; less than half is said to be little.
NOT_LEARNED, HALF = 10, 50

MOVES = {"shift": "shifts", "scale": "zooms", "rotation": "turns"}
LESSONS = {"shift": "where things are", "scale": "how large things are", "rotation": "which way is up"}
# What the warps of a family cannot do, so that it cannot be learned.
CANNOT = {"translation": ("scale", "rotation"), "attention": ("rotation",), "rigid": ("scale",)}
SOURCES = {
    "distortion": "known from the distortion",
    "boxes": "known from the boxes",
    "trial": "by trial: test images were {} and looked at again",
}
TRIALS = {"shift": "moved by up to 10 %", "scale": "scaled by 0.8 to 1.25", "rotation": "turned by up to 20°"}
SIGNS = {"degrees": "°", "percent": " %", "percent of the image": " % of the image"}


@dataclass(frozen=True)
class Undone:
    """One way in which things differ.

    Attributes:
        moves: what it is called, "shifts".
        share: how much of it is undone, in percent.
        before, after: how far things differ in it, in the images and in what the transformer hands on; with a unit.
        source: how that is known.
    """

    moves: str
    share: float
    before: str
    after: str
    source: str


@dataclass(frozen=True)
class Account:
    """Of one transformer; `name` says which, where there are several. `headline` says who undoes, `sentence` "it"."""

    name: str
    rows: tuple[Undone, ...]
    sentence: str
    headline: str


def accounts(model: Model) -> list[Account]:
    """What each transformer of a model undoes; nothing where it was not measured."""
    measured = model.result.get("undone")
    if not isinstance(measured, Mapping) or not measured:
        return []
    each = [measured] if set(measured) <= set(MOVES) else list(measured.values())
    names = transformer_names(len(each))
    return [
        account for name, one in zip(names, each, strict=True) if (account := _account(name, one, model.family)).rows
    ]


def _account(name: str, measured: Any, family: str) -> Account:
    found = {key: measured[key] for key in MOVES if isinstance(measured, Mapping) and key in measured}
    shares = {key: as_number(one.get("share_percent")) for key, one in found.items()}
    rows = tuple(_row(*one) for one in found.items())
    return Account(name, rows, sentence(shares, family), sentence(shares, family, "the transformer"))


def _row(name: str, one: Mapping[str, Any]) -> Undone:
    sign = SIGNS.get(str(one.get("unit")), "")
    before, after = (wording.short(one.get(key), 2) for key in ("applied_spread", "remaining_spread"))
    source = SOURCES.get(str(one.get("source")), "").format(TRIALS[name])
    return Undone(MOVES[name], as_number(one.get("share_percent")), before + sign, after + sign, source)


def sentence(shares: Mapping[str, float], family: str = "", subject: str = "it") -> str:
    """What is undone and what has not been learned.

    Args:
        shares: of "shift", "scale" and "rotation", as far as they were measured, in percent.
        family: of the transformer; what that cannot do is said to be so.
        subject: who undoes.

    Example:
        >>> sentence({"shift": 92.0, "scale": 60.0, "rotation": 2.0})
        'It undoes 92 % of shifts and 60 % of zooms; of turns 2 %: it has not learned which way is up.'
    """
    possible = [name for name in sorted(shares, key=lambda name: -shares[name]) if name not in CANNOT.get(family, ())]
    learned = [name for name in possible if shares[name] >= NOT_LEARNED]
    others = [name for name in possible if name not in learned]
    parts = []
    if learned:
        parts.append(f"{subject} undoes {_listed([f'{_share(shares[name])} of {MOVES[name]}' for name in learned])}")
    if others:
        begun = "" if learned else f"{subject} undoes "
        little = _listed([_little(name, shares[name], begun) for name in others])
        parts.append(f"{begun}{little}: it {_not_learned([LESSONS[name] for name in others])}")
    if beyond := [MOVES[name] for name in MOVES if name in shares and name not in possible]:
        parts.append(f"{_listed(beyond)} it cannot undo, being of the family {family}")
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def _little(name: str, share: float, begun: str) -> str:
    return f"{_share(share)} of {MOVES[name]}" if begun else f"of {MOVES[name]} {_share(share)}"


def _share(share: float) -> str:
    only = "only " if NOT_LEARNED <= share < HALF else ""
    return f"{only}{wording.whole_percent(share)}"


def _not_learned(lessons: list[str]) -> str:
    if len(lessons) == 1:
        return f"has not learned {lessons[0]}"
    *first, last = lessons
    return f"has learned neither {', '.join(first)} nor {last}"


def _listed(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
