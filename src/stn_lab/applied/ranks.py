"""Which of several processes that share some work this is, as torchrun tells it."""

import os
from dataclasses import dataclass

from ..errors import UserError


@dataclass(frozen=True)
class Rank:
    """One of the processes that share some work.

    Attributes:
        number: from 0; the first one says how far it is.
        count: how many there are.
        local: its number on this machine, and so which of its devices it takes.
    """

    number: int = 0
    count: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        return self.number == 0


def this_rank() -> Rank:
    """From RANK, WORLD_SIZE and LOCAL_RANK; without them the only one.

    Raises:
        UserError: they are no such numbers.
    """
    number, count, local = (_number(name, usual) for name, usual in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
    if number >= count:
        raise UserError(f"RANK must be below WORLD_SIZE; got RANK={number}, WORLD_SIZE={count}; start with torchrun")
    return Rank(number, count, local)


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not text.isdecimal():
        raise UserError(f"{name} must be a whole number; got {text!r}; start with torchrun, or unset {name}")
    return int(text)
