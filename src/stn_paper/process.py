"""Processes that share the cells among them. Each trains its own; none is part of another's training."""

import os

# What torchrun sets and Lightning reads to join the processes into one training.
JOINING = ("RANK", "WORLD_SIZE", "GROUP_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")


def keep_to_itself() -> None:
    """Under torchrun: take this process's device for itself, and leave the group.

    Processes go round the devices there are, so several share one when there are more processes than devices. This is
    to be called before torch is asked for a device and before Lightning is imported.
    """
    rank = os.environ.pop("LOCAL_RANK", None)
    for name in JOINING:
        os.environ.pop(name, None)
    if rank is None:
        return
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    devices = visible if visible != [""] else [str(index) for index in range(torch.cuda.device_count())]
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(rank) % len(devices)]
