"""How a row is measured: forward, and forward with gradients. Add a pass here.

A pass makes, of what a library does with a row, a function without arguments to be timed. What it returns are the
tensors that a caller keeps: the output and the gradients asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .peers import Differentiable, Opaque

Timed = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Pass:
    """One way of measuring.

    Attributes:
        title: in tables.
        image: whether the gradient of the image is asked for.
        parameter: whether that of theta, or of the points, is.
        again: whether the squared length of both gradients is differentiated once more.
    """

    title: str
    image: bool = False
    parameter: bool = False
    again: bool = False

    def of(self, call: Differentiable | Opaque, cotangent: Tensor) -> Timed | None:
        """The function to be timed; None if the library does not have these gradients."""
        if isinstance(call, Opaque):
            return call.function if self == PASSES["forward"] else None
        if self.again and not call.differentiable_twice:
            return None
        image = call.image.detach().requires_grad_(self.image)
        parameter = call.parameter.detach().requires_grad_(self.parameter)
        wanted = [x for x in (image, parameter) if x.requires_grad]

        def run() -> tuple[Tensor, ...]:
            with call.within():
                output = call.function(image, parameter)
                if not wanted:
                    return (output,)
                gradients = torch.autograd.grad(output, wanted, cotangent, create_graph=self.again)
                if self.again:
                    length = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
                    gradients = torch.autograd.grad(length, wanted)
                return output.detach(), *gradients

        return run


PASSES = {
    "forward": Pass("forward"),
    "theta": Pass("forward + gradient of theta or points", parameter=True),
    "both": Pass("forward + both gradients", image=True, parameter=True),
    "double": Pass("forward + gradients of gradients", image=True, parameter=True, again=True),
}
