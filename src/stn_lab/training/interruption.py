"""Ctrl-C: stop where the run can be resumed as if it had never stopped."""

import signal
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint


class SaveOnInterrupt(Checkpoint):
    """On Ctrl-C finishes the step under way, leaves a checkpoint of it, and stops.

    In the middle of a step weights, optimiser and schedule do not belong together; a run resumed from there would go
    another way. Nor does it stop between a step and the validation that is due after it: a resumed run would not make
    up for that, and might keep other weights as the best. A second Ctrl-C stops at once, with the checkpoint of the
    last validation.

    It is a `Checkpoint` so that Lightning calls it after all others, which have then seen the step too; give it to the
    trainer after the one that saves on validation.

    Args:
        path: of the checkpoint.
        validations: the steps after which there is a validation, and after that a checkpoint at the same path.
    """

    def __init__(self, path: Path, validations: Collection[int]) -> None:
        self.path = path
        self.validations = validations
        self.asked = False

    def on_fit_start(self, *_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step not in self.validations and self._is_time(trainer):
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt

    def on_validation_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self._is_time(trainer):
            raise KeyboardInterrupt

    def on_train_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self._is_time(trainer):  # asked after the last validation
            raise KeyboardInterrupt

    def _is_time(self, trainer: L.Trainer) -> bool:
        """Whether any of the processes that train together was asked: all must stop after the same step."""
        return trainer.strategy.reduce_boolean_decision(self.asked, all=False)

    def teardown(self, *_: Any, **__: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.default_int_handler)
