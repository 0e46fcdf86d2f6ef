"""The command `stn`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from spatial_transformer import __version__

from .errors import UserError
from .training.config import Budget, Experiment, Machine, Task


@dataclass(frozen=True)
class Train:
    """Train models, measure them, and write a report.

    Everything goes into runs/NAME: config.json, results.json, report.html, and a folder per model with its logs,
    checkpoints and pictures.
    """

    task: Task = field(default_factory=Task)
    budget: Budget = field(default_factory=Budget)
    machine: Machine = field(default_factory=Machine)
    model: str = "st-cnn"
    """fcn, cnn, st-fcn or st-cnn; st-cnn:tps to name the family with it."""
    compare: str = ""
    """Several models under the same budget in one report, instead of --model: cnn,st-cnn."""
    family: str = "affine"
    """Of the transformers: translation, attention, rigid, similarity, affine, projective, piecewise-affine, tps,
    bspline or velocity."""
    name: str = ""
    """Of the run; data, distortion and models by default."""
    runs: Path = Path("runs")
    """The folder that holds the runs."""
    resume: bool = False
    """Go on with the run of this name: finish what is not finished."""
    overwrite: bool = False
    """Write over the run of this name."""
    profile: bool = False
    """Print what share of a training step goes into making the data."""

    def __call__(self) -> None:
        from .commands import train

        train(self)

    def experiment(self) -> Experiment:
        labels = [label.strip() for label in (self.compare or self.model).split(",")]
        return Experiment(self.task, self.budget, tuple(label for label in labels if label), self.family)

    def path(self, experiment: Experiment) -> Path:
        if Path(self.name).name != self.name:
            raise UserError(f"--name must be a plain name; got {self.name!r}. The folder around it is --runs")
        default = "-".join([self.task.data, self.task.distortion, *experiment.models]).replace(":", "-")
        return self.runs / (self.name or default)


@dataclass(frozen=True)
class Evaluate:
    """Measure the models of a run again, and write its report anew."""

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    sweep: Literal["rotation", "scale", "translation"] | None = None
    """Also measure the error against how far a digit is turned, scaled or moved, and draw the curve."""

    def __call__(self) -> None:
        from .commands import evaluate

        evaluate(self)


@dataclass(frozen=True)
class Reproduce:
    """Run the paper's experiments, and put every number beside the published one.

    Runs what has no result yet; stop it at any time and start it again. Several of these commands at once share the
    work, as do the processes of `torchrun --nproc-per-node 4 -m stn_lab.cli reproduce ...`, on one device or several.
    """

    tables: tyro.conf.Positional[tuple[str, ...]] = ()
    """table1, ...: see --list; "all" for all of them."""
    list: bool = False
    """Say which tables, rows, columns and budgets there are, and which cells have results."""
    compare: bool = False
    """Print the results beside the paper's, and run nothing."""
    json: bool = False
    """With --compare: as JSON."""
    page_only: bool = False
    """Write the page from the results, and run nothing."""
    rows: tuple[str, ...] = ()
    """Some rows only: ST-CNN-Aff."""
    columns: tuple[str, ...] = ()
    """Some columns only: R."""
    budget: str = "quick"
    """smoke (4 steps, to see that it runs), quick (3,000 steps in most tables), standard (15,000) or paper (150,000);
    --list says how many in each, and with "all" a table without this budget is left out."""
    seeds: int = 1
    """How many, from 0."""
    machine: Machine = field(default_factory=Machine)
    results: Path = Path("results")
    """The folder of the results."""
    page: Path = Path("docs/reproduction.md")
    """The page that compares."""
    runs: Path = Path("runs")
    """The folder for checkpoints and logs."""

    def __call__(self) -> None:
        from .reproduce import process

        process.keep_to_itself()  # before Lightning is imported, which asks the environment for its rank
        from .reproduce.command import reproduce

        reproduce(self)


@dataclass(frozen=True)
class Backends:
    """Say which implementations of the operators run here, and why others do not."""

    def __call__(self) -> None:
        from .commands import backends

        backends()


@dataclass(frozen=True)
class Bench:
    """Measure how fast the library is, beside PyTorch's own functions and other libraries.

    Runs the operator's tests first and refuses to measure when one fails. Times are medians of interleaved runs.
    """

    output: Path = Path("benchmark.json")
    """The file of JSON that is written."""
    rows: str = ""
    """Only rows of the matrix whose name contains one of these, with commas between: 42x42,bicubic."""
    passes: str = ""
    """Only some of forward, theta, both, double."""
    parts: str = ""
    """Only some of matrix, second-order, curves, memory, cold-start."""
    threads: str = ""
    """Numbers of threads, with commas between; 1 and all by default."""
    repeats: int = 25
    """Samples of each function."""
    seconds: float = 2.0
    """A function that has taken so long gets no more samples, once it has five."""
    device: str = "cpu"
    """cpu or cuda."""
    compile: bool = False
    """Measure torch.compile as well."""
    skip_tests: bool = False
    """While developing the benchmark itself."""

    def __call__(self) -> None:
        from .benchmark.run import bench

        bench(self)


Command = Annotated[Train | Evaluate | Reproduce | Backends | Bench, tyro.conf.OmitArgPrefixes]


def main(arguments: list[str] | None = None) -> None:
    """Entry point: parse, run, and turn what the user can mend into one line and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        sys.stdout.write(f"stn {__version__}\n")
        return
    command = tyro.cli(
        Command,
        prog="stn",
        description="Spatial transformer networks: train, compare, look, measure. `stn COMMAND --help` says more, "
        "`stn --version` which version this is.",
        args=arguments,
    )
    try:
        command()
    except UserError as error:
        sys.stderr.write(f"stn: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("stn: stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
