"""The weights of a module that a person has written: two files, of which none says how to build it.

A file that named a class would have to be trusted with running it. The person who reads the weights builds the module,
and is told where it is another one than that which was saved.
"""

from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer

from .errors import UserError
from .files import replacing, write_json
from .models.saved import FORMAT, read_json

Module = TypeVar("Module", bound=nn.Module)


def save_module(module: nn.Module, config: Path, weights: Path) -> None:
    """Write the weights and buffers of a module, and which transformers are in it.

    Raises:
        UserError: something in its state is no tensor with values.
    """
    tensors = {name: _values(name, value) for name, value in module.state_dict().items()}
    config.parent.mkdir(parents=True, exist_ok=True)
    with replacing(weights) as unfinished:
        unfinished.write_bytes(serialised(tensors))
    write_json(config, {"format": FORMAT, "module": type(module).__name__, "transformers": families(module)})


def load_module(module: Module, config: Path, weights: Path) -> Module:
    """Put weights and buffers into a module, all of them or none.

    Raises:
        UserError: a file is missing or damaged, or of another module than this.
    """
    said = read_json(config)
    if said.get("format") != FORMAT:
        raise UserError(f"{config} has format {said.get('format')}; this version reads {FORMAT}")
    try:
        tensors = load_file(weights)
    except FileNotFoundError:
        raise UserError(f"{weights} is missing; save the module again") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{weights} is damaged ({error})") from error
    wanted, own = said.get("transformers", {}), families(module)
    problem = _difference(tensors, module.state_dict()) or (
        f"its transformers are {wanted}, those of the module {own}" if wanted != own else ""
    )
    if problem:
        raise UserError(f"{weights} is of another module than {type(module).__name__}: {problem}")
    module.load_state_dict(tensors)
    return module.eval()


def families(module: nn.Module) -> dict[str, str]:
    """The kind of warp of each transformer in a module, by the transformer's name: weights alone do not tell it."""
    return {
        name: type(part.family).__name__
        for name, part in module.named_modules()
        if isinstance(part, SpatialTransformer | ParallelTransformers)
    }


def _values(name: str, value: Any) -> Tensor:
    """A copy in memory of its own, as the format holds no two names of one memory."""
    if not isinstance(value, Tensor):
        raise UserError(f"{name} in the module's state is no tensor but {type(value).__name__}: it cannot be written")
    try:
        return value.detach().cpu().contiguous().clone()
    except (RuntimeError, ValueError) as error:  # on the meta device, or of a lazy layer that has seen no input
        raise UserError(f"{name} has no values yet: call the module once, or load weights into it") from error


def _difference(tensors: dict[str, Tensor], state: dict[str, Any]) -> str:
    """The first that is not alike, in words."""
    for name in [*state, *sorted(tensors)]:
        if name not in tensors:
            return f"the file has no {name}"
        if name not in state:
            return f"the module has no {name}"
        if tensors[name].shape != state[name].shape:
            return f"{name} is {tuple(tensors[name].shape)} in the file and {tuple(state[name].shape)} in the module"
    return ""
