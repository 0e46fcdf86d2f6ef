"""Checks of numbers, sizes and lattices."""

import math
import operator
from collections.abc import Sequence

from torch import SymInt, Tensor


def shape(tensor: Tensor) -> str:
    """(2, 3) rather than torch.Size([2, 3])."""
    return str(tuple(tensor.shape))


def tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"`{name}` must be a torch.Tensor; got {type(value).__name__}. Wrap it: `torch.as_tensor({name})`."
        )


def size(name: str, value: Sequence[int], *, dims: int | None = None, at_least: int = 1) -> tuple[int, ...]:
    """Return `value` as a tuple of ints: (H, W) or (D, H, W). Lengths that an exporter leaves open stay open."""
    wanted = {2: "(H, W)", 3: "(D, H, W)", None: "(H, W) or (D, H, W)"}[dims]
    if isinstance(value, int | float | str) or not isinstance(value, Sequence):
        repair = f" For equal sides write ({value}, {value})." if isinstance(value, int) else ""
        raise TypeError(f"`{name}` must be a tuple {wanted}; got {value!r}.{repair}")
    try:
        lengths = tuple(length if isinstance(length, SymInt) else operator.index(length) for length in value)
    except TypeError:
        raise TypeError(f"`{name}` must hold whole numbers {wanted}; got {tuple(value)!r}.") from None
    if len(lengths) not in ((2, 3) if dims is None else (dims,)):
        raise ValueError(f"`{name}` must be {wanted}; got {lengths}, which has {len(lengths)} entries.")
    if any(length < at_least for length in lengths):
        raise ValueError(f"every entry of `{name}` must be at least {at_least}; got {lengths}.")
    return lengths


def dims(family: str, value: int, *, allowed: Sequence[int]) -> int:
    if value not in allowed:
        raise ValueError(f"`dims` of `{family}` must be {' or '.join(map(str, allowed))}; got {value!r}.")
    return value


def extent(value: Sequence[float] | None, dims: int) -> tuple[float, ...]:
    if value is None:
        return (1.0,) * dims
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"`extent` must hold {dims} lengths, x first; got {value!r}.")
    lengths = tuple(float(length) for length in value)
    if len(lengths) != dims:
        raise ValueError(f"`extent` must hold {dims} lengths, x first; got {lengths}.")
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise ValueError(f"`extent` must hold positive lengths; got {lengths}.")
    return lengths


def non_negative(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be zero or a positive number; got {value!r}.")
    return float(value)


def positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be a positive number; got {value!r}.")
    return float(value)


def at_least(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"`{name}` must be a whole number, {least} or more; got {value!r}.")


def count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"`{name}` must be a whole number, zero or more; got {value!r}.")
    return value


def batch(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"`batch` must be a whole number, zero or more; got {value!r}.")
    return value


def spline_order(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 5:
        raise ValueError(f"`order` must be a whole number from 0 to 5; got {value!r}.")


def antialias(value: object) -> None:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"`antialias` must be True, False or a number of samples along an axis; got {value!r}.")
