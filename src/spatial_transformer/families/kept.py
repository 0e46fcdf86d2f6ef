"""What families compute once for a size of output, and keep."""

import weakref
from collections.abc import Callable, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from ..compiling import untraced
from ..constants import fake_mode
from ..coordinates import target_points

_KEPT: MutableMapping[nn.Module, dict[Any, tuple[Tensor, ...]]] = weakref.WeakKeyDictionary()
MOST_SIZES = 4  # that a family remembers
MOST_BYTES = 2**30  # of a size, beyond which it is not remembered


def kept(
    family: nn.Module, size: tuple[int, ...], like: Tensor, compute: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """What belongs to the target points of a size, from memory if it was asked for before.

    Args:
        family: whose they are; they are forgotten together with it.
        size: (H, W) or (D, H, W) of the output.
        like: of the dtype and on the device that they are asked for.
        compute: takes the points, (1, K, D), and returns constants.

    Returns:
        The constants.
    """
    if torch.compiler.is_compiling() or fake_mode(like) is not None:  # keeps constants by itself; has none to keep
        return _computed(size, like, compute)
    known = _KEPT.setdefault(family, {})
    key = (size, like.dtype, like.device)
    found = known.get(key)
    if found is None:
        with untraced(), torch.inference_mode(False), torch.no_grad():  # of use with and without gradients
            found = _computed(size, like, compute)
        # Constants do not belong to a transformation of torch.func that runs now: it would not let go of them.
        found = tuple(torch.func.debug_unwrap(tensor) for tensor in found)
        if sum(tensor.nbytes for tensor in found) <= MOST_BYTES:
            known[key] = found
        while len(known) > MOST_SIZES:
            known.pop(next(iter(known)), None)
    return found


def _computed(
    size: tuple[int, ...], like: Tensor, compute: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    return compute(target_points(size, dtype=like.dtype, device=like.device).flatten(1, -2))
