"""`stn reproduce` as a person types it."""

import dataclasses
import json
import os
import signal
import sys
import time

import pytest
import torch
from torch.distributed import launcher

from stn_lab.cli import main
from stn_paper.tables import TABLES


@pytest.fixture
def where(tmp_path):
    return ["--results", tmp_path / "results", "--page", tmp_path / "page.md", "--runs", tmp_path / "runs"]


def stn(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code
    return 0


def test_list_names_every_table_row_column_and_budget(capfd):
    assert stn("reproduce", "--list") == 0
    text = capfd.readouterr().out
    for name, table in TABLES.items():
        words = [name, *table.columns, *(row.name for row in table.rows), *table.budgets]
        assert all(word in text for word in words)


def test_a_smoke_test_leaves_results_that_compare_leaves_out(where, tmp_path, capfd):
    command = ["reproduce", "table1", "--budget", "smoke", "--rows", "FCN,ST-FCN-Aff", "--columns", "R", *where]
    assert stn(*command) == 0
    names = {path.name for path in (tmp_path / "results" / "table1").iterdir()}
    assert names == {"FCN--R--smoke--seed0.json", "ST-FCN-Aff--R--smoke--seed0.json"}
    result = json.loads((tmp_path / "results" / "table1" / "FCN--R--smoke--seed0.json").read_text())
    assert {"error_percent", "standard_error", "steps", "batch_size", "seconds", "device", "versions", "commit"} <= set(
        result
    )
    capfd.readouterr()
    assert stn(*command) == 0
    assert "[1/" not in capfd.readouterr().out
    assert stn("reproduce", "--compare", "--json", *where) == 0
    assert json.loads(capfd.readouterr().out) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "name a table: table1"),
        (["table9"], "unknown table 'table9'; choose from table1"),
        (["table1", "--rows", "ST-RNN"], "unknown row 'ST-RNN'; choose from FCN, CNN"),
        (["table1", "--columns", "Q"], "unknown column 'Q'; choose from R, RTS"),
        (["table1", "--budget", "huge"], "unknown budget 'huge'; choose from smoke, quick"),
        (["table1", "table5", "--budget", "paper"], "table5 has no budget 'paper'; choose from"),
        (["table1", "--seeds", "0"], "--seeds must be 1 or more"),
        (["table1", "--seeds", "1000000000"], "--seeds must be 1 or more, and at most 1000"),
        (["table1", "--devices", "-3"], "cannot be used as asked"),
        (["all", "nonsense"], "unknown table 'nonsense'"),
        (["all", "--budget", "huge"], "unknown budget 'huge'"),
        (["table1", "clutter", "--rows", "ST-FCN-Proj", "--columns", "TC"], "none of these tables has a cell"),
        (["table1", "--json"], "--json goes with --compare"),
        (["--compare"], "there is no folder"),
        (["--page-only"], "there is no folder"),
    ],
)
def test_what_is_unknown_is_named_with_what_there_is(flags, message, where, tmp_path, capfd):
    assert stn("reproduce", *flags, *where) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_compare_shows_the_tables_that_are_named(where, tmp_path, capfd):
    (tmp_path / "results").mkdir()
    assert stn("reproduce", "table1", "--compare", *where) == 0
    assert stn("reproduce", "nonsense", "--compare", *where) == 2
    assert "unknown table 'nonsense'" in capfd.readouterr().err


def test_results_that_cannot_be_written_are_noticed_before_training(where, tmp_path, capfd):
    (tmp_path / "results").touch()
    assert stn("reproduce", "table1", "--budget", "smoke", *where) == 2
    assert "results cannot be written" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_missing_data_without_network_is_one_line(where, tmp_path, monkeypatch, capfd):
    from stn_lab.digits import mnist

    monkeypatch.setenv("STN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "SOURCE", "http://127.0.0.1:9/")  # nothing listens there
    assert stn("reproduce", "table1", "--rows", "FCN", "--columns", "R", *where) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "set STN_DATA" in line


@pytest.fixture
def longer(monkeypatch):
    """Smoke tests of Table 1 take 400 steps or so, long enough to be stopped."""
    table = TABLES["table1"]
    smoke = dataclasses.replace(table.budgets["smoke"], steps=400, validations=20)
    monkeypatch.setitem(TABLES, "table1", dataclasses.replace(table, budgets={**table.budgets, "smoke": smoke}))


@pytest.mark.usefixtures("longer")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_goes_on_from_there(stop, where, tmp_path, stn_process):
    command = ["reproduce", "table1", "--budget", "smoke", "--rows", "FCN", "--columns", "R", *where]
    process = stn_process(*command, "--accelerator", "cpu")
    last = tmp_path / "runs" / "reproduce" / "table1" / "FCN--R--smoke--seed0" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(stop)
    text, _ = process.communicate(timeout=60)
    result = tmp_path / "results" / "table1" / "FCN--R--smoke--seed0.json"
    assert process.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL), text
    assert not result.exists()
    resumed = torch.load(last, weights_only=True)["global_step"]
    process = stn_process(*command, "--accelerator", "cpu")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert json.loads(result.read_text())["steps"] == 400
    assert resumed > 0
    assert f"step {resumed:,} of 400" not in text, "it did not go on from the checkpoint"


def test_processes_of_torchrun_share_the_cells(where, tmp_path, forks):
    """Its agent starts them here as forks, and tells them what it tells the commands that it starts."""
    config = launcher.LaunchConfig(1, 1, 2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", start_method="fork")
    command = ["reproduce", "table1", "--budget", "smoke", "--rows", "FCN", "--accelerator", "cpu"]
    launcher.elastic_launch(config, _share)([*command, *map(str, where)], tmp_path / "printed")
    assert len(list((tmp_path / "results" / "table1").iterdir())) == 4
    printed = [path.read_text() for path in tmp_path.glob("printed*")]
    assert len(printed) == 2
    assert sum(text.count("] table1 FCN--") for text in printed) == 4, "a cell ran twice"


def _share(command, output):
    torch.set_num_threads(1)  # OpenMP's own do not live on in a fork
    with output.with_name(f"{output.name}{os.environ['RANK']}").open("w") as file:
        sys.stdout = file
        main(command)
