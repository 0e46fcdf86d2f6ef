"""Networks of timm, with the weights that they have learnt on ImageNet, or others.

timm is imported here alone, and only for a network of its own: it needs torchvision, which not every build of PyTorch
goes with.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .spec import need_timm

Weights = str  # "pretrained", "none" or the path of a file


class Normalised(nn.Module):
    """A network behind what it was trained behind: images in 0 ... 1 less a mean, over a standard deviation.

    Args:
        network: takes (N, C, H, W) images so normalised.
        mean: (C,) of each channel.
        std: (C,) of each channel.
    """

    mean: Tensor  # (C, 1, 1)
    std: Tensor  # (C, 1, 1)

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.std)


def backbone(name: str, channels: int, size: tuple[int, int], classes: int, weights: Weights = "none") -> Normalised:
    """A network of timm that tells classes of images apart.

    Args:
        name: as in `timm.list_models()`.
        channels: of the images; weights that were learnt on colours are fitted by timm.
        size: (H, W) of the images.
        classes: how many there are; the last layer is a new one.
        weights: "pretrained" for those that timm fetches, "none" for random ones, or a file of weights.

    Raises:
        UserError: timm is not installed or does not know the network; the weights cannot be had; or the network does
            not take images of this size.
    """
    network = _created(name, channels, classes, weights)
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    normalised = Normalised(network, _per_channel(config["mean"], channels), _per_channel(config["std"], channels))
    _check_size(normalised, name, (channels, *size), config)
    return normalised


def _created(name: str, channels: int, classes: int, weights: Weights) -> nn.Module:
    timm = _timm()
    options: dict[str, Any] = {"in_chans": channels, "num_classes": classes}
    if weights != "none":
        options["pretrained"] = True
    if weights not in ("none", "pretrained"):
        options["pretrained_cfg_overlay"] = {"file": str(Path(weights))}
    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:5]
        raise UserError(f"timm has no network {name!r}{'; it has ' + ', '.join(near) if near else ''}")
    try:
        return timm.create_model(name, **options)
    except Exception as error:  # the hub, files and networks fail in as many ways
        if weights == "none":
            raise UserError(f"timm cannot make {name!r}: {_first_line(error)}") from error
        whence = "cannot be fetched" if weights == "pretrained" else f"cannot be read from {weights}"
        raise UserError(
            f"the weights of {name!r} {whence} ({_first_line(error)}); give a file of them, --weights FILE, or begin "
            "with random ones, --weights none"
        ) from error


def _timm() -> Any:
    need_timm()
    try:
        import timm
    except Exception as error:  # a torchvision that was made for another PyTorch
        raise UserError(f"timm is installed but cannot be imported: {_first_line(error)}") from error
    return timm


def _per_channel(of_colours: tuple[float, ...], channels: int) -> Tensor:
    """(channels,): as given for colours, once more for each further image, or their mean for grey."""
    values = torch.tensor(of_colours)
    if channels % len(values) == 0:
        return values.repeat(channels // len(values))
    return values.mean().repeat(channels)


@torch.no_grad()
def _check_size(network: nn.Module, name: str, shape: tuple[int, int, int], config: dict[str, Any]) -> None:
    try:
        network.eval()(torch.zeros(1, *shape))
    except Exception as error:  # each network has its own way to refuse
        side = config["input_size"][-1]
        raise UserError(
            f"{name!r} does not take images of {shape[1]} x {shape[2]} pixels ({_first_line(error)}); it was made for "
            f"--size {side}"
        ) from error
    finally:
        network.train()


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]} ..."
