"""One model trained with Lightning, from its last checkpoint if there is one."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import rich
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerStatus

from ..errors import UserError
from .callbacks import ValidateAfter
from .config import Budget, Machine
from .data_module import Batches
from .evaluation import load_weights
from .interruption import SaveOnInterrupt
from .module import TrainingModule
from .progress import ModelProgressBar, ProgressLines


class Interrupted(Exception):
    """Training was stopped from the keyboard; the first `step` updates are in the last checkpoint."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def fit(
    module: TrainingModule,
    data: Batches,
    folder: Path,
    *,
    budget: Budget,
    machine: Machine,
    callbacks: Sequence[L.Callback],
) -> None:
    """Train, and leave `best.ckpt`, `last.ckpt`, `metrics.csv` and TensorBoard's events in `folder`.

    Raises:
        UserError: the machine cannot be used as asked, or `last.ckpt` is damaged or of another model.
        Interrupted: Ctrl-C; `last.ckpt` is up to date.
    """
    last = folder / "last.ckpt"
    resuming = last.is_file()
    if resuming:
        load_weights(module.network, last)  # refuses a damaged file, or another model's, before anything is touched
        _set_metrics_aside(folder)
    with warnings.catch_warnings():
        _hush_lightning()
        trainer = _trainer(folder, module.monitored, budget, machine, callbacks)
        try:
            trainer.fit(module, datamodule=data, ckpt_path=last if resuming else None, weights_only=True)
        except SystemExit:  # how Lightning ends after Ctrl-C
            if trainer.state.status == TrainerStatus.INTERRUPTED:
                raise Interrupted(trainer.global_step) from None
            raise


def check_machine(machine: Machine, batch_size: int) -> None:
    """Refuse a machine that cannot be used, before anything is written.

    Args:
        machine: where to train.
        batch_size: images per step, which the devices must be able to share evenly.

    Raises:
        UserError: naming the reason.
    """
    with warnings.catch_warnings():
        _hush_lightning()
        trainer = _trainer_on(machine, logger=False, enable_checkpointing=False)
    devices = trainer.num_devices * trainer.num_nodes
    if batch_size % devices:
        raise UserError(
            f"--batch-size {batch_size} cannot be shared evenly by {devices} devices; take a multiple of {devices}"
        )


def _trainer_on(machine: Machine, **options: Any) -> L.Trainer:
    try:
        return L.Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=machine.strategy,
            precision=machine.precision,
            **options,
        )
    except Exception as error:  # Lightning's checks raise many types; all of them concern the machine
        raise UserError(f"this machine cannot be used as asked: {' '.join(str(error).split())}") from error


def _trainer(
    folder: Path, monitored: str, budget: Budget, machine: Machine, callbacks: Sequence[L.Callback]
) -> L.Trainer:
    last = folder / "last.ckpt"
    savers = [
        ModelCheckpoint(folder, "best", monitor=monitored, enable_version_counter=False),
        ModelCheckpoint(folder, "last", enable_version_counter=False),  # after each validation
        SaveOnInterrupt(last, budget.validation_steps),
    ]
    in_terminal = rich.get_console().is_terminal
    progress = (ModelProgressBar if in_terminal else ProgressLines)(folder.name)
    return _trainer_on(
        machine,
        max_steps=budget.steps,
        val_check_interval=budget.validation_steps[0],
        check_val_every_n_epoch=None,  # batches are counted through; ValidateAfter decides
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # every process scores the whole validation set
        log_every_n_steps=max(1, min(20, budget.steps // 50)),
        logger=[CSVLogger(folder, "", ""), TensorBoardLogger(folder, "", "tensorboard")],
        callbacks=[ValidateAfter(budget.validation_steps), progress, *callbacks, *savers],
        enable_progress_bar=in_terminal,
        enable_model_summary=False,
    )


def _set_metrics_aside(folder: Path) -> None:
    """Lightning starts `metrics.csv` anew on resuming; keep what was measured before as `metrics-1.csv`, ..."""
    current = folder / "metrics.csv"
    if current.is_file():
        current.rename(folder / f"metrics-{len(list(folder.glob('metrics-*.csv'))) + 1}.csv")


def _hush_lightning() -> None:
    """Silence Lightning's advice to developers; what the person training should know is said by this package."""
    warnings.filterwarnings("ignore", module=r"lightning\.")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
