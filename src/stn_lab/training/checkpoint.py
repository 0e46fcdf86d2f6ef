"""Checkpoints: files that are there whole or not at all, and are read with suspicion."""

import copy
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import UnusableCheckpoint
from ..files import replacing

BEST, LAST = "best.ckpt", "last.ckpt"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write all of it or nothing.

    Args:
        path: of the checkpoint.
        state: with the network's weights as "state_dict", and how many steps they have taken as "global_step".

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = io.BytesIO()
    torch.save(state, content)  # not into the file: it tells of a full disk as a RuntimeError
    with replacing(path) as unfinished:
        unfinished.write_bytes(content.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """What was saved, on the CPU.

    Raises:
        UnusableCheckpoint: the file is missing or damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        # Lightning's Trainer, which trained earlier runs, puts a name before each weight.
        weights = {name.removeprefix("network."): weight for name, weight in state["state_dict"].items()}
        return state | {"state_dict": weights, "global_step": int(state["global_step"])}
    except FileNotFoundError:
        raise UnusableCheckpoint(f"{path} is missing; train the run first") from None
    except Exception:  # a damaged file fails in as many ways as there are bytes in it
        raise UnusableCheckpoint(f"{path} is damaged or no checkpoint of this command") from None


def load_weights(network: nn.Module, path: Path) -> dict[str, Any]:
    """Put the weights of a checkpoint into a network.

    Returns:
        All that was saved; "global_step" is when.

    Raises:
        UnusableCheckpoint: the file is missing, damaged, or of another model.
    """
    state = read(path)
    try:
        copy.deepcopy(network).load_state_dict(state["state_dict"])  # which stops halfway if the layers do not fit
    except RuntimeError:
        raise UnusableCheckpoint(
            f"{path} is the checkpoint of another model: its layers do not have the same shapes"
        ) from None
    network.load_state_dict(state["state_dict"])
    return state
