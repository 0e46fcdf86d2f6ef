"""How far the training of a model is: a bar in a terminal, a line now and then in a file or a pipe."""

import sys
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar

from .module import TrainingModule


class ModelProgressBar(RichProgressBar):
    """Lightning's bar, which names the model rather than an epoch: the stream of batches has none.

    Args:
        label: of the model.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    @property
    def total_train_batches(self) -> int:
        """Of the whole training; Lightning counts what is left of it, but from the first step."""
        return self.trainer.max_steps

    def _get_train_description(self, current_epoch: int) -> str:
        return self.label

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in shown.items() if name != "v_num"}


class ProgressLines(L.Callback):
    """A line after each validation.

    Args:
        label: of the model.
    """

    def __init__(self, label: str) -> None:
        self.label = label

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            assert isinstance(module, TrainingModule)
            value = float(trainer.callback_metrics[module.monitored])
            where = f"step {trainer.global_step:,} of {trainer.max_steps:,}"
            is_error = module.monitored.endswith("error")
            shown = f"error {100 * value:.1f} %" if is_error else f"loss {value:.3f}"
            sys.stdout.write(f"{self.label}: {where}, validation {shown}\n")
            sys.stdout.flush()
