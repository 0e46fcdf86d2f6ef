"""The folder of a run: what lies where, and writing that never leaves half a file."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import UNFINISHED, write_json
from .experiment import Experiment


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and its two JSON files."""

    path: Path

    @classmethod
    def create(cls, path: Path, experiment: Experiment, *, overwrite: bool) -> "RunFolder":
        """Make the folder of a new run.

        Raises:
            UserError: it is there already, holds something else than a run, or cannot be written.
        """
        folder = cls(path)
        folder.check_free(overwrite=overwrite)
        try:
            there = path.resolve()  # a link stays, what it leads to is replaced
            if there.is_dir():
                shutil.rmtree(there)
            there.mkdir(parents=True)
            write_json(folder.config_file, experiment.to_json())
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
        return folder

    def check_free(self, *, overwrite: bool) -> None:
        """Raises UserError if a run is there already that is to be kept, or something else than a run."""
        try:
            is_free = not self.path.exists()
        except OSError as error:  # a name that is too long
            raise UserError(f"{self.path} cannot be written: {error.strerror}") from error
        if is_free:
            return
        if not overwrite:
            raise UserError(
                f"{self.path} exists already; go on with it (--resume), write over it (--overwrite) or choose another "
                "--name"
            )
        if self.path.is_dir() and any(self.path.iterdir()) and not self.config_file.is_file():
            raise UserError(f"{self.path} is not the folder of a run (it has no config.json); it is left as it is")

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that exists.

        Raises:
            UserError: it does not, or is not a run.
        """
        folder = cls(path)
        try:
            is_run = folder.config_file.is_file()
        except OSError as error:  # a name that is too long, a folder that may not be looked into
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        if not is_run:
            raise UserError(f"{path} is not the folder of a run: it has no config.json")
        return folder

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def results_file(self) -> Path:
        return self.path / "results.json"

    def model(self, label: str) -> Path:
        """Where the logs, checkpoints and pictures of one model lie."""
        return self.path / label.replace(":", "-")

    def experiment(self) -> Experiment:
        """What the run was started with.

        Raises:
            UserError: config.json is damaged, or asks for what there is not.
        """
        try:
            experiment = Experiment.from_json(json.loads(self.config_file.read_text()))
            experiment.check()
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.config_file} is damaged ({error}); the run cannot be read") from error
        except UserError as error:
            raise UserError(f"{self.config_file}: {error}") from error
        return experiment

    def expect(self, experiment: Experiment) -> None:
        """Refuse to go on with a run under other settings than it was started with; more steps are welcome.

        Raises:
            UserError: naming what differs.
        """
        then, now = self.experiment().to_json(), experiment.to_json()
        keys = [key for key in then | now if then.get(key) != now.get(key) and key != "steps"]
        different = [f"{key}: {then.get(key)} then, {now.get(key)} now" for key in keys]
        if different:
            raise UserError(f"{self.path} was started with other settings ({'; '.join(different)}); use the same")
        if now["steps"] < then["steps"]:
            raise UserError(
                f"{self.path} was started with --steps {then['steps']}, now it is {now['steps']}; a run can be "
                f"lengthened, not shortened: use --steps {then['steps']} or more"
            )

    def lengthen(self, experiment: Experiment) -> int:
        """Write down that the run is to take more steps; returns how many it was to take."""
        before = self.experiment().budget.steps
        if before < experiment.budget.steps:
            write_json(self.config_file, experiment.to_json())
        return before

    def tidy(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for path in self.path.rglob(f"*{UNFINISHED}"):
            path.unlink()

    def results(self) -> dict[str, dict[str, Any]]:
        """Results of the models that are finished, by label; a damaged file, or entry, counts as none."""
        try:
            read = dict(json.loads(self.results_file.read_text()))
        except (OSError, ValueError, TypeError):
            return {}
        return {label: result for label, result in read.items() if isinstance(result, dict)}

    def finished(self, steps: int) -> set[str]:
        """Labels of the models that have taken so many steps, or were stopped early on their way there."""
        results = self.results()
        return {label for label, result in results.items() if result.get("planned_steps", result["steps"]) >= steps}

    def add_result(self, label: str, result: dict[str, Any]) -> None:
        write_json(self.results_file, {**self.results(), label: result})
