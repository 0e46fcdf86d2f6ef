"""The optimiser of a budget and its schedule."""

import functools
import warnings

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


def schedule_of(optimiser: torch.optim.Optimizer, budget: Budget, done: int = 0) -> LRScheduler:
    """The learning rates of each step, a function of the budget and the step alone.

    A run that is resumed with more steps than before goes on at the rates that a run of the new length has there.

    Args:
        optimiser: with the rates of the budget.
        budget: whose `steps` the schedule fills.
        done: steps that have been taken.
    """
    schedule: LRScheduler
    if budget.drops:
        schedule = StepLR(optimiser, max(1, budget.steps // (budget.drops + 1)), gamma=0.1)
    else:
        highest = [group["lr"] for group in optimiser.param_groups]
        schedule = OneCycleLR(optimiser, highest, total_steps=budget.steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch finds that the optimiser has taken no step
        for _ in range(done):
            schedule.step()
    return schedule
