"""Constants of modules: kept exactly, on the CPU, and given out in the precision and on the device that asks for them.

A buffer would follow its module from device to device, and lose its values on the meta device and its digits in half
precision. A constant has no place: it is needed where theta is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.weak import WeakTensorKeyDictionary

from .compiling import untraced

_GIVEN: Any = WeakTensorKeyDictionary()  # of each constant, what was given out, by dtype and device


@contextmanager
def plainly() -> Iterator[None]:
    """Tensors made here have values and may be used by everything, whatever mode the caller is in.

    Under `torch.device("meta")` and `FakeTensorMode` they would have none, under autocast few digits, and those of
    `torch.inference_mode` cannot be used in training.
    """
    with (
        torch.device("cpu"),
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        _disable_current_modes(),
    ):
        yield


def constant(make: Callable[[], Tensor]) -> Tensor:
    """What a function makes, in float64 on the CPU; on the meta device if it is made of tensors from there."""
    if torch.compiler.is_compiling():  # the compiler knows no such contexts, and a graph keeps its constants by itself
        return make().detach().double()
    with plainly():
        made = make().detach().double()
        return made if made.device.type == "meta" else made.cpu().clone()


def given(value: Tensor, device: torch.device, dtype: torch.dtype, like: Tensor | None = None) -> Tensor:
    """A constant in a dtype and on a device, from memory if it was asked for before.

    Args:
        value: as `constant` returns it. What is given out must not be changed.
        device: where it is needed.
        dtype: in which precision.
        like: a tensor that it will be used with.
    """
    if torch.compiler.is_compiling():  # keeps constants by itself
        return value.to(device=device, dtype=dtype)
    fake = fake_mode(like)
    if fake is not None:
        return fake.from_tensor(value, static_shapes=True).to(device=device, dtype=dtype)
    known = _GIVEN.setdefault(value, {})
    if (device, dtype) not in known:
        with untraced(), torch.inference_mode(False), torch.no_grad():  # of use with and without gradients
            found = value.to(device=device, dtype=dtype)
        # Constants do not belong to a transformation of torch.func that runs now: it would not let go of them.
        known[device, dtype] = torch.func.debug_unwrap(found)
    return known[device, dtype]


def without_values(like: Tensor) -> bool:
    """Whether there are shapes and nothing else, as on the meta device."""
    return not torch.compiler.is_compiling() and (like.is_meta or fake_mode(like) is not None)


def fake_mode(like: Tensor | None) -> Any:
    """The `FakeTensorMode` of a tensor, or that which is active; None if there is neither. Its tensors are not kept."""
    return getattr(like, "fake_mode", None) or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)
