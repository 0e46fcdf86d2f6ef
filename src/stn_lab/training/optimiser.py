"""The optimiser of a budget and its schedule."""

import functools
from typing import Any

import torch
from torch import nn

from spatial_transformer import parameter_groups

from .config import Budget


def configure(network: nn.Module, budget: Budget) -> dict[str, Any]:
    """What Lightning expects of `configure_optimizers`."""
    groups = parameter_groups(network, lr=budget.lr, localiser_lr_scale=budget.localiser_lr_scale)
    adamw, sgd = torch.optim.AdamW, functools.partial(torch.optim.SGD, momentum=0.9)
    optimiser = (adamw if budget.optimiser == "adamw" else sgd)(groups, weight_decay=budget.weight_decay)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": _schedule(optimiser, budget), "interval": "step"}}


def _schedule(optimiser: torch.optim.Optimizer, budget: Budget) -> torch.optim.lr_scheduler.LRScheduler:
    if budget.drops:
        every = max(1, budget.steps // (budget.drops + 1))
        return torch.optim.lr_scheduler.StepLR(optimiser, every, gamma=0.1)
    highest = [group["lr"] for group in optimiser.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, highest, total_steps=budget.steps)
