"""What the transformers of a network predict, where the network does not return it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .parallel import ParallelTransformers
from .transformer import SpatialTransformer


@contextmanager
def record_thetas(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Keep what the transformers of a network predict while it runs: for a penalty, a picture or as features.

    A network that transformers were inserted into returns what it returned before; this is the way to their theta.
    Recordings can be nested, and end with the `with` block, whatever happens in it. A network compiled before is not
    seen into: record first, then compile.

    Args:
        model: any network with `SpatialTransformer` or `ParallelTransformers` in it, or one of these.

    Yields:
        For each transformer, under its name in `model.named_modules()`, a list with one theta for each of its calls, in
        order: (N, P), the total of all `steps`, or (N, K, P) of parallel ones. Gradients flow through them.

    Example:
        >>> import torch
        >>> from spatial_transformer import Affine, insert
        >>> model = insert(nn.Sequential(nn.Conv2d(1, 8, 3)), "0", family=Affine())
        >>> with record_thetas(model) as thetas:
        ...     output = model(torch.rand(2, 1, 28, 28))
        >>> {name: theta.shape for name, (theta,) in thetas.items()}
        {'0.transformer': torch.Size([2, 6])}
    """
    kinds = (SpatialTransformer, ParallelTransformers)
    found = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    thetas: dict[str, list[Tensor]] = {name: [] for name in found}
    with ExitStack() as hooks:
        for name, module in found.items():
            for handle in _keep_theta(module, thetas[name]):
                hooks.callback(handle.remove)
        yield thetas


def _keep_theta(module: nn.Module, thetas: list[Tensor]) -> tuple[RemovableHandle, RemovableHandle]:
    """Hooks that ask for theta at each call, and hand it on only to a caller who asks for it too."""
    wanted = False

    def ask(_: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        nonlocal wanted
        wanted = args[1] if len(args) > 1 else options.get("return_theta", False)
        return args[:1], {**options, "return_theta": True}

    def keep(_: nn.Module, args: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        thetas.append(output[1])
        return output if wanted else output[0]

    # Asked last and kept first, so that other hooks, and recordings around this one, see the call as it was made.
    return (
        module.register_forward_pre_hook(ask, with_kwargs=True),
        module.register_forward_hook(keep, prepend=True),
    )
