"""The optimiser of a budget and its schedule."""

import functools

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from spatial_transformer import parameter_groups

from .config import Budget


def optimiser_of(network: nn.Module, budget: Budget) -> torch.optim.Optimizer:
    """AdamW or SGD, with a learning rate of its own for what says where to look."""
    groups = parameter_groups(network, lr=budget.lr, localiser_lr_scale=budget.localiser_lr_scale)
    adamw, sgd = torch.optim.AdamW, functools.partial(torch.optim.SGD, momentum=0.9)
    return (adamw if budget.optimiser == "adamw" else sgd)(groups, weight_decay=budget.weight_decay)


def schedule_of(optimiser: torch.optim.Optimizer, budget: Budget) -> LRScheduler:
    """The learning rates of each step."""
    if budget.drops:
        every = max(1, budget.steps // (budget.drops + 1))
        return StepLR(optimiser, every, gamma=0.1)
    highest = [group["lr"] for group in optimiser.param_groups]
    return OneCycleLR(optimiser, highest, total_steps=budget.steps)
