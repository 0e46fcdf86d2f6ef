"""Training a network from the first step to its result: the one way by which anything here is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ..tasks.task import Task
from . import checkpoint
from .config import Budget, Machine
from .process import is_first_process
from .provenance import provenance

if TYPE_CHECKING:
    from .loop import Watcher


def learn(
    task: Task,
    network: nn.Module,
    folder: Path,
    budget: Budget,
    machine: Machine,
    *,
    watchers: "Sequence[Watcher]" = (),
) -> dict[str, Any]:
    """Train a network, or go on with what `folder` holds, and leave it on the CPU with its best weights.

    Args:
        task: what is learnt.
        network: what learns it; weights are drawn from the seed by who makes it.
        folder: for checkpoints and logs.
        budget: how long, and how.
        machine: where.
        watchers: look on.

    Returns:
        How it was trained, how long that took and where, ready for JSON; nothing in processes other than the first.

    Raises:
        UserError: the machine cannot be used as asked, or a checkpoint in `folder` is damaged or of another model.
        Interrupted: Ctrl-C; `folder` holds what is needed to go on.
    """
    from .loop import Loop  # brings Lightning, which takes seconds to import
    from .machine import fabric_of

    task.label_smoothing = budget.label_smoothing
    fabric = fabric_of(machine)
    fabric.launch()
    loop = Loop(task, network, folder, budget, fabric, watchers)
    loop.run()
    network.cpu()
    if not is_first_process():
        return {}
    best = checkpoint.load_weights(network, folder / checkpoint.BEST)
    return {
        "best_step": best["global_step"],
        "steps": loop.step,
        "planned_steps": budget.steps,
        "batch_size": budget.batch_size,
        "seed": budget.seed,
        **loop.timer.as_json(),
        "precision": machine.precision,
        **provenance(fabric.device),
    }
