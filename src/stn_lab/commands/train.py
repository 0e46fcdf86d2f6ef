"""What the commands do; imported when one runs, so that `stn --help` is quick."""

import os
import sys
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

from spatial_transformer.backends import BACKENDS

from .data import load
from .report import write_report, write_strip
from .training.config import Experiment
from .training.evaluation import evaluate_run
from .training.fit import Interrupted, check_machine
from .training.folder import RunFolder
from .training.invariance import sweep_run
from .training.process import is_first_process
from .training.run import train_run

if TYPE_CHECKING:
    from .cli import Evaluate, Train

console = Console(highlight=False)


def train(options: "Train") -> None:
    """`stn train`."""
    experiment = options.experiment()
    experiment.check()
    check_machine(options.machine, experiment.budget.batch_size)
    splits = load(experiment.task.data)
    folder = _folder(options, experiment)  # last: nothing is written for a run that cannot begin
    try:
        train_run(folder, experiment, options.machine, splits)
    except Interrupted as stop:
        if is_first_process():
            console.print(f"Stopped after {stop.step} steps; go on with the same command and --resume.")
        sys.exit(130)
    if not is_first_process():
        return
    _print_results(folder)
    if options.profile:
        _print_profile(folder)
    _write_report(folder)


def _folder(options: "Train", experiment: Experiment) -> RunFolder:
    path = options.path(experiment)
    if not is_first_process():
        return RunFolder(path)  # made by the first process
    if not options.resume:
        return RunFolder.create(path, experiment, overwrite=options.overwrite)
    folder = RunFolder.open(path)
    folder.expect(experiment)
    return folder


def evaluate(options: "Evaluate") -> None:
    """`stn evaluate`."""
    folder = RunFolder.open(options.run)
    recorded = folder.results()
    table = Table("model", "error %", "± s.e.", "at training")
    for label, score in evaluate_run(folder).items():
        before = f"{recorded[label]['error_percent']:.2f}" if label in recorded else "unfinished"
        table.add_row(label, f"{score.error_percent:.2f}", f"{score.standard_error:.2f}", before)
    console.print(table)
    if options.sweep:
        sweep_run(folder, options.sweep)
        console.print(f"Curve: {os.fspath(folder.path / f'sweep-{options.sweep}.json')}", soft_wrap=True)
    _write_report(folder)


def backends() -> None:
    """`stn backends`."""
    devices = [torch.device("cpu")] + [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    table = Table("backend", "device", "runs", "what it is")
    for backend in BACKENDS:
        for device in devices:
            reason = backend.unavailable(device)
            table.add_row(backend.name, str(device), "yes" if reason is None else f"no: {reason}", backend.summary)
    console.print(table)


def _print_results(folder: RunFolder) -> None:
    table = Table("model", "error %", "± s.e.", "parameters", "localiser", "steps", "ms/step", "seed")
    for label, result in folder.results().items():
        table.add_row(
            label,
            f"{result['error_percent']:.2f}",
            f"{result['standard_error']:.2f}",
            f"{result['parameters']:,}",
            f"{result['localiser_parameters']:,}",
            f"{result['steps']:,}",
            f"{result['ms_per_step']:.1f}",
            str(result["seed"]),
        )
    console.print(table)


def _print_profile(folder: RunFolder) -> None:
    table = Table("model", "ms/step", "of which data", "share")
    for label, result in folder.results().items():
        step, data = result["ms_per_step"], result["data_ms_per_step"]
        table.add_row(label, f"{step:.1f}", f"{data:.1f}", f"{100 * data / step:.1f} %")
    console.print(table)


def _write_report(folder: RunFolder) -> None:
    write_strip(folder.path)
    console.print(f"Report: {os.fspath(write_report(folder.path))}", soft_wrap=True)
