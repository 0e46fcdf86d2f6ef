"""How a classifier learns: the loss, the errors that are logged, the optimiser and its schedule."""

import functools
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_transformer import parameter_groups

from ..networks import DigitClassifier
from .config import Budget


class ClassifierTraining(L.LightningModule):
    """Cross-entropy, nothing else: where to look is learnt from the task's loss alone."""

    def __init__(self, network: DigitClassifier, budget: Budget) -> None:
        super().__init__()
        self.network = network
        self.budget = budget

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return self._measure("train", batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        self._measure("validation", batch)

    def _measure(self, stage: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels)
        error = (logits.argmax(dim=1) != labels).float().mean()
        self.log_dict(
            {f"{stage}/loss": loss, f"{stage}/error": error},
            batch_size=len(labels),
            on_step=stage == "train",
            on_epoch=stage != "train",
            sync_dist=stage != "train",  # every process scores the whole validation set
            prog_bar=True,
        )
        return loss

    def configure_optimizers(self) -> Any:
        budget = self.budget
        groups = parameter_groups(self.network, lr=budget.lr, localiser_lr_scale=budget.localiser_lr_scale)
        adamw, sgd = torch.optim.AdamW, functools.partial(torch.optim.SGD, momentum=0.9)
        optimiser = (adamw if budget.optimiser == "adamw" else sgd)(groups)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, [group["lr"] for group in groups], total_steps=budget.steps
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
