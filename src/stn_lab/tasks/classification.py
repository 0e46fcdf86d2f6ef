"""How a classifier learns: the loss, and the errors that are logged."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Budget
from .optimiser import configure


class TrainingModule(L.LightningModule):
    """A network and how it is optimised; what it is trained for is said by its subclasses.

    Args:
        network: what is trained.
        budget: says how.

    Attributes:
        monitored: what is logged at each validation and chooses the checkpoint: the lowest is best.
    """

    monitored: str = "validation/error"

    def __init__(self, network: nn.Module, budget: Budget) -> None:
        super().__init__()
        # Convolutions on a CPU, and in half precision anywhere, are faster with the channels of a pixel side by side.
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.budget = budget

    def configure_optimizers(self) -> Any:
        return configure(self.network, self.budget)


class ClassifierTraining(TrainingModule):
    """Cross-entropy, nothing else: where to look is learnt from the task's loss alone.

    The network returns logits, (N, classes), or (N, places, classes) where there are several answers, such as the
    digits of a house number. Their cross-entropies are summed.
    """

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        return self._measure("train", batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        self._measure("validation", batch)

    def _measure(self, stage: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = cross_entropy(logits, labels)
        self.log_dict(
            {f"{stage}/loss": loss, f"{stage}/error": is_wrong(logits, labels).float().mean()},
            batch_size=len(labels),
            on_step=stage == "train",
            on_epoch=stage != "train",
            sync_dist=stage != "train",  # every process scores the whole validation set
            prog_bar=True,
        )
        return loss


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over (N, classes) logits and (N,) labels; of (N, places, classes) and (N, places), sums over places."""
    each = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
    return each.sum() / len(labels)


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,) whether any of an example's answers is wrong; shapes as in `cross_entropy`."""
    wrong = logits.argmax(dim=-1) != labels  # (N,) or (N, places)
    return wrong if wrong.ndim == 1 else wrong.any(dim=1)
