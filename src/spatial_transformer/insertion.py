"""Put a transformer in front of any layer of an existing network."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from . import checks
from .families import Family
from .localisers import ConvLocaliser
from .transformer import SpatialTransformer


@final
class TransformedLayer(nn.Module):
    """A layer with a transformer in front of it, in the place where the layer was.

    Code that looks into the layer goes on working: its attributes are read and set through this module
    (`model.conv1.weight`, `model.layer2.conv1`), and so are the entries of a sequence, their number, slices and loops
    (`model.layer2[0]`, `len(model.layer2)`), and names (`model.get_submodule("layer2.0")`). Only calling this module
    warps: a network that calls the entries one by one, and never the sequence, runs no transformer. What asks for the
    class (`isinstance`), for `children()` or the state dict sees the transformer and the layer.

    Args:
        transformer: warps the input of the layer.
        layer: what stood here before.

    Example:
        >>> from spatial_transformer import Affine
        >>> layer = TransformedLayer(SpatialTransformer(ConvLocaliser(3), Affine()), nn.Conv2d(3, 8, 3))
        >>> layer(torch.rand(2, 3, 16, 16)).shape, layer.out_channels
        (torch.Size([2, 8, 14, 14]), 8)
    """

    def __init__(self, transformer: SpatialTransformer, layer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.layer = layer

    def forward(self, image: Tensor, *args: Any, **options: Any) -> Any:
        """The layer's output for the warped image; further arguments go to the layer."""
        return self.layer(self.transformer(image), *args, **options)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "layer":  # not there yet: `__init__` or unpickling
                raise
            return getattr(self.layer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        layer = self.__dict__.get("_modules", {}).get("layer")
        ours = name in self.__dict__ or name in ("transformer", "layer") or hasattr(type(self), name)
        if layer is not None and not ours and hasattr(layer, name):
            setattr(layer, name, value)
        else:
            super().__setattr__(name, value)

    # Python looks these up on the class, past `__getattr__`.
    def __getitem__(self, index: Any) -> Any:
        return self.layer[index]  # type: ignore[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.layer[index] = value  # type: ignore[operator]

    def __delitem__(self, index: Any) -> None:
        del self.layer[index]  # type: ignore[operator]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layer)  # type: ignore[call-overload]

    def __contains__(self, entry: object) -> bool:
        return entry in self.layer  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self.layer)  # type: ignore[arg-type]

    def __bool__(self) -> bool:  # without it that of a layer without entries would be asked for their number
        return bool(self.layer)


def insert(
    model: nn.Module,
    name: str,
    *,
    family: Family,
    localiser: nn.Module | None = None,
    example: Tensor | tuple[Any, ...] | None = None,
    **options: Any,
) -> nn.Module:
    """Put a new `SpatialTransformer` before a named layer. The network's outputs stay the same until it trains.

    The model is changed in place; `insert(copy.deepcopy(model), ...)` leaves the original alone. The layer moves into a
    `TransformedLayer`, so its weights in the state dict are now called `name.layer...`: load a published checkpoint
    before inserting. Code that indexes the layer or reads its attributes goes on working. Hand the parameters to the
    optimiser afterwards, best through `parameter_groups`; `record_thetas` gives what is predicted.

    Args:
        model: any network.
        name: of a layer that receives an image or a feature map as its first argument, as in `model.named_modules()`,
            for instance "layer1" or "features.3".
        family: the family of transformations, with the dimension of what the layer receives.
        localiser: as in `SpatialTransformer`; a `ConvLocaliser` by default, for as many channels as the layer receives.
        example: an input of the model, or a tuple of them. The model is run on it once to see what the layer receives;
            without it, that is read from the weights of the layer.
        options: for `SpatialTransformer`: size, mode, padding, steps, bound.

    Returns:
        `model`.

    Raises:
        ValueError: there is no such layer; it is a container that is never called; it receives no image, or another
            dimension than that of `family`; or the number of channels cannot be read from its weights.

    Example:
        >>> from spatial_transformer import Affine
        >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
        >>> image = torch.rand(2, 1, 28, 28)
        >>> before = model(image)
        >>> torch.allclose(insert(model, "0", family=Affine())(image), before, atol=1e-6)
        True
        >>> type(model[0]).__name__
        'TransformedLayer'
    """
    checks.family(family)
    layer = _find(model, name)
    channels = _received(model, layer, name, family, example)
    if localiser is None:
        if channels is None:
            channels = _channels_of_weights(layer, name, family)
        localiser = ConvLocaliser(channels, dims=family.dims)
    transformer = SpatialTransformer(localiser, family, **options).train(layer.training)
    weight = next((p for p in (*layer.parameters(), *model.parameters()) if p.is_floating_point()), None)
    if weight is not None:
        transformer.to(weight.device, weight.dtype)
        transformer.reset_to_identity()  # in that dtype
    _replace(model, name, TransformedLayer(transformer, layer))
    return model


def remove(model: nn.Module, name: str) -> nn.Module:
    """Take out the transformer that `insert` put before a layer. In place.

    Args:
        model: the network.
        name: what `insert` was given.

    Returns:
        `model`.

    Raises:
        ValueError: there is no transformer at this name.

    Example:
        >>> from spatial_transformer import Affine
        >>> model = nn.Sequential(nn.Conv2d(1, 8, 3))
        >>> type(remove(insert(model, "0", family=Affine()), "0")[0]).__name__
        'Conv2d'
    """
    transformed = _find(model, name)
    if not isinstance(transformed, TransformedLayer):
        raise ValueError(f"`name`: there is no transformer before {name!r}; it is a {type(transformed).__name__}.")
    _replace(model, name, transformed.layer)
    return model


def _find(model: nn.Module, name: str) -> nn.Module:
    names = [known for known, _ in model.named_modules(remove_duplicate=False) if known]
    if name not in names and not _is_inside_of_transformed(model, name):
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.4) or names[:5]
        raise ValueError(
            f"`name` must be that of a layer in the model; {name!r} is not. Near to it: "
            f"{', '.join(map(repr, near)) or 'the model has no layers'}."
        )
    layer = model.get_submodule(name)
    if type(layer).forward is nn.Module.forward:  # a list or a dictionary of modules
        entries = ", ".join(repr(f"{name}.{key}") for key, _ in layer.named_children())
        raise ValueError(
            f"`name`: {name!r} is a {type(layer).__name__}, which is never called itself. Name one of its entries: "
            f"{entries}."
        )
    return layer


def _is_inside_of_transformed(model: nn.Module, name: str) -> bool:
    """Whether it is the former name of a module in a layer that has a transformer by now."""
    try:
        return name != "" and model.get_submodule(name) is not None
    except AttributeError:
        return False


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


def _received(
    model: nn.Module, layer: nn.Module, name: str, family: Family, example: Tensor | tuple[Any, ...] | None
) -> int | None:
    """The number of channels that the layer receives when the model runs on the example; None without one."""
    if example is None:
        return None
    seen: list[object] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0] if args else None))
    try:
        with _in_evaluation(model), torch.no_grad():
            model(*example) if isinstance(example, tuple) else model(example)
    finally:
        handle.remove()
    if not seen:
        raise ValueError(f"`name`: {name!r} is never called when the model runs on `example`. Name a layer that is.")
    for value in seen:
        if not isinstance(value, Tensor) or value.ndim != family.dims + 2:
            got = f"a tensor {checks.shape(value)}" if isinstance(value, Tensor) else type(value).__name__
            wanted = {2: "an image (N, C, H, W)", 3: "a volume (N, C, D, H, W)"}[family.dims]
            raise ValueError(
                f"`name`: {name!r} must receive {wanted}, as `{family}` warps one; it receives {got}. Name a layer "
                "that does, or pass a family of its dimension."
            )
    return seen[0].shape[1]  # type: ignore[attr-defined]


@contextmanager
def _in_evaluation(model: nn.Module) -> Iterator[None]:
    """No dropout, no update of batch statistics; every module back to its own mode afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _channels_of_weights(layer: nn.Module, name: str, family: Family) -> int:
    """The number of channels of the input, read from the first convolution or batch normalisation."""
    for part in layer.modules():
        dims, channels = _dims_and_channels(part)
        if dims is None:
            continue
        if dims != family.dims:
            raise ValueError(
                f"{name!r} works on {dims} spatial axes ({type(part).__name__}), `{family}` on {family.dims}. "
                "Pass a family of the same dimension."
            )
        return channels
    raise ValueError(
        f"the weights of {name!r} ({type(layer).__name__}) do not say how many channels of an image it receives. Pass "
        "`example=`, an input of the model, or a `localiser`."
    )


def _dims_and_channels(module: nn.Module) -> tuple[int | None, int]:
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return len(module.kernel_size), module.in_channels
    if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        return (2 if isinstance(module, nn.BatchNorm2d) else 3), module.num_features
    return None, 0
