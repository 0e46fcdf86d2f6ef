"""`stn train`."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import UserError
from ..runs.experiment import PRETRAINED, Experiment
from ..runs.folder import RunFolder
from ..tasks.data import Data
from ..training.config import Budget, Machine
from ..training.process import is_first_process

if TYPE_CHECKING:
    from ..images.survey import Survey

OWN_RATE = 1e-3  # docs/defaults.md


@dataclass(frozen=True)
class Train:
    """Train models, measure them, and write a report.

    Everything goes into runs/NAME: config.json, results.json, report.html, and a folder per model with its logs,
    checkpoints and pictures.
    """

    data: Data = field(default_factory=Data)
    budget: Budget = field(default_factory=Budget)
    machine: Machine = field(default_factory=Machine)
    steps: int | None = None
    """Updates of the weights: 3000, and with --resume those of the run, unless said otherwise."""
    lr: float | None = None
    """Highest learning rate of the schedule. By default 0.004; 0.001 on your own images for all networks but resnets:
    on photographs the paper's learnt nothing at 0.004. With --resume that of the run."""
    model: str = "st-cnn"
    """fcn and cnn, the paper's, or resnet, for photographs; st-cnn, ... with a transformer in front, and st-cnn:tps to
    name the family with it. timm:resnet18, ... any network of timm, if that is installed; st-timm:resnet18@layer2 with
    the transformer in front of a layer."""
    compare: str = ""
    """Several models under the same budget in one report, instead of --model: cnn,st-cnn."""
    family: str = "affine"
    """Of the transformers: translation, attention, rigid, similarity, affine, projective, piecewise-affine, tps,
    bspline or velocity."""
    looks: int = 1
    """How often a transformer looks at what it has made and corrects itself, before it hands it over."""
    transformers: int = 1
    """How many stand side by side before the network, which sees what all of them make, as the paper has it for
    several objects or parts."""
    view: int | None = None
    """Pixels along each side of what a transformer hands over; by default as many as the image has. With fewer than it
    takes to tell classes apart in the whole image, the transformer learns to look closely."""
    localiser: Literal["auto", "paper", "keypoints"] = "auto"
    """What says where to look. paper: layers like those of the network, as in the paper. keypoints: maps of features
    and where each is seen, for things that may be anywhere. auto: paper for digits and keypoints for your own images.
    Transformers of resnet and timm take keypoints in any case. With --resume auto is what the run has."""
    weights: str = PRETRAINED
    """Of networks of timm: pretrained, which timm fetches; a file; or none, to begin at random."""
    name: str = ""
    """Of the run; data, distortion and models by default."""
    runs: Path = Path("runs")
    """The folder that holds the runs."""
    resume: bool = False
    """Go on with the run of this name: finish what is not finished, or, with more --steps than before, lengthen it: its
    learning rates are from there on those of a run of the new length."""
    overwrite: bool = False
    """Write over the run of this name."""
    profile: bool = False
    """Print what share of a training step goes into making the data."""

    def __call__(self) -> None:
        experiment = self.experiment()
        experiment.check()
        self.machine.check()
        folder = RunFolder(self.path(experiment))
        if is_first_process():
            self._check_folder(folder, experiment)
        found = experiment.survey()
        _train(self, folder, experiment, found)

    def experiment(self) -> Experiment:
        labels = [label.strip() for label in (self.compare or self.model).split(",")]
        models = tuple(label for label in labels if label)
        experiment = Experiment(
            self.data, self.budget, models, self.family, self.looks, self.transformers, self.weights, self.view
        )
        usual = self._usual(experiment)
        steps = usual.budget.steps if self.steps is None else self.steps
        lr = usual.budget.lr if self.lr is None else self.lr
        localiser = usual.localiser if self.localiser == "auto" else self.localiser
        return replace(experiment, budget=replace(self.budget, steps=steps, lr=lr), localiser=localiser)

    def _usual(self, experiment: Experiment) -> Experiment:
        """Has what was not asked for as the run that is resumed has it, or as it suits the data."""
        if self.resume:
            return RunFolder.open(self.path(experiment)).experiment()
        if self.data.is_built_in:
            return experiment
        residual = all(experiment.spec(label).network == "resnet" for label in experiment.models)
        budget = self.budget if residual else replace(self.budget, lr=OWN_RATE)
        return replace(experiment, budget=budget, localiser="keypoints")

    def path(self, experiment: Experiment) -> Path:
        if Path(self.name).name != self.name:
            raise UserError(f"--name must be a plain name; got {self.name!r}. The folder around it is --runs")
        default = "-".join([self.data.name, *experiment.models]).replace(":", "-")
        return self.runs / (self.name or default)

    def _check_folder(self, folder: RunFolder, experiment: Experiment) -> None:
        if self.resume:
            RunFolder.open(folder.path).expect(experiment)
        else:
            folder.check_free(overwrite=self.overwrite)


def _train(options: Train, folder: RunFolder, experiment: Experiment, found: "Survey | None") -> None:
    """What needs PyTorch, whose import takes seconds; nothing is written for a run that cannot begin."""
    from ..runs.run import build_first, train_run
    from ..training import loop  # noqa: F401  (what is not installed is missed here, before a folder is made)
    from ..training.interruption import Interrupted
    from ..training.machine import check_machine
    from .report import write_pages

    task = experiment.data.task(found)
    if is_first_process():
        sys.stdout.write(task.summary())
    for label in experiment.models:
        build_first(folder, experiment, task, label)
    check_machine(options.machine, experiment.budget.batch_size)
    try:
        if is_first_process():
            _begin(options, folder, experiment)
        train_run(folder, experiment, options.machine, task)
    except Interrupted as stop:
        if is_first_process():
            sys.stdout.write(f"Stopped after {stop.step} steps; go on with the same command and --resume.\n")
        sys.exit(130)
    except OSError as error:
        raise UserError(
            f"training stopped: {error}; what was there is intact: the same command with --resume goes on from there"
        ) from error
    if is_first_process():
        sys.stdout.write(task.afterword())
        _print_results(folder, profile=options.profile)
        write_pages(folder)


def _begin(options: Train, folder: RunFolder, experiment: Experiment) -> None:
    if not options.resume:
        RunFolder.create(folder.path, experiment, overwrite=options.overwrite)
        return
    folder.tidy()
    if (before := folder.lengthen(experiment)) < experiment.budget.steps:
        sys.stdout.write(f"Lengthened from {before:,} to {experiment.budget.steps:,} steps.\n")


def _print_results(folder: RunFolder, *, profile: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from .report import print_looks

    table = Table("model", "error %", "± s.e.", "parameters", "localiser", "steps", "ms/step", "seed")
    shares = Table("model", "ms/step", "of which data", "share")
    for label, result in folder.results().items():
        step, data = result["ms_per_step"], result["data_ms_per_step"]
        table.add_row(
            label,
            f"{result['error_percent']:.2f}",
            f"{result['standard_error']:.2f}",
            f"{result['parameters']:,}",
            f"{result['localiser_parameters']:,}",
            f"{result['steps']:,}",
            f"{step:.1f}",
            str(result["seed"]),
        )
        shares.add_row(label, f"{step:.1f}", f"{data:.1f}", f"{100 * data / step:.1f} %")
    console = Console(highlight=False)
    console.print(table)
    print_looks(folder)
    if profile:
        console.print(shares)
