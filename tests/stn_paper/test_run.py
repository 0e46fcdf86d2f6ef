"""What runs, what does not run again, and what a stop leaves behind."""

import errno
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stn_lab.errors import UserError
from stn_lab.training.checkpoint import load_weights
from stn_lab.training.config import Machine
from stn_paper.run import _claimed, run_cells, time_left
from stn_paper.table import Cell

from .conftest import made_up


def cells(table, seeds=1):
    return [Cell(table, row, c, "quick", seed) for seed in range(seeds) for row in table.rows for c in table.columns]


@pytest.fixture
def run(table, results, tmp_path):
    said = []

    def run(chosen=None):
        chosen = cells(table) if chosen is None else chosen
        run_cells(chosen, results, tmp_path / "work", machine=Machine(), say=said.append, after=lambda _: None)
        return said

    return run


def test_every_cell_runs_once_and_leaves_a_file(run, trained, results, table):
    run()
    run()
    assert trained == ["A--X--quick--seed0", "A--Y--quick--seed0", "B--X--quick--seed0", "B--Y--quick--seed0"]
    written = results.folder / "tiny" / "A--X--quick--seed0.json"
    assert json.loads(written.read_text()) == results.read(cells(table)[0])


def test_more_seeds_run_what_is_new(run, trained, table):
    run()
    del trained[:]
    run(cells(table, seeds=2))
    assert all(name.endswith("seed1") for name in trained)
    assert len(trained) == 4


@pytest.mark.parametrize("content", ["", '{"error_percent": 1.0', "[]", '{"error_percent": NaN}', "{}", "\x00\xff"])
def test_a_damaged_result_is_named_and_run_again(run, trained, results, warnings, content):
    run()
    del trained[:]
    (results.folder / "tiny" / "B--X--quick--seed0.json").write_text(content)
    run()
    assert trained == ["B--X--quick--seed0"]
    assert all("B--X--quick--seed0.json is damaged" in warning for warning in warnings)
    assert warnings


def test_progress_says_how_much_is_left(run, table, results):
    said = run()
    assert said[0] == "[1/4] tiny A--X--quick--seed0; 4 to do"
    assert said[3] == "[4/4] tiny B--Y--quick--seed0; 1 to do, about 60 s left"
    assert time_left(cells(table, seeds=3), results) == "8 to do, about 8 min left"


def test_a_cell_that_another_process_runs_is_left_to_it(run, trained, tmp_path):
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path,))
    other.start()
    while not (tmp_path / "held").exists():
        other.join(0.01)
    run()
    (tmp_path / "let go").touch()
    other.join()
    assert trained == ["A--Y--quick--seed0", "B--X--quick--seed0", "B--Y--quick--seed0"]
    run()
    assert trained[-1] == "A--X--quick--seed0"


def _hold(folder):
    with _claimed(folder / "work" / "tiny" / "A--X--quick--seed0") as mine:
        assert mine
        (folder / "held").touch()
        while not (folder / "let go").exists():
            pass


def test_a_full_disk_leaves_the_results_that_were_there(run, trained, results, monkeypatch):
    run()
    before = {path: path.read_bytes() for path in results.folder.rglob("*.json")}
    (results.folder / "tiny" / "B--X--quick--seed0.json").unlink()

    def full(path, text, *_, **__):
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "write_text", lambda p, t, *a, **k: full(p, t) if results.folder in p.parents else _write(p, t)
        )
        with pytest.raises(UserError, match=r"cannot be written: No space left on device.*intact"):
            run()
    left = {path: path.read_bytes() for path in results.folder.rglob("*.json")}
    assert left == {path: text for path, text in before.items() if path.name != "B--X--quick--seed0.json"}
    run()
    assert {path: path.read_bytes() for path in results.folder.rglob("*.json")} == before


def _write(path, text):
    with path.open("w") as file:
        file.write(text)


@pytest.mark.parametrize("settings", ['{"steps": 11}', "{", "[]"])
def test_a_part_made_under_other_settings_starts_anew(run, tmp_path, settings):
    folder = tmp_path / "work" / "tiny" / "A--X--quick--seed0"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(settings)
    (folder / "metrics.csv").write_text("old")
    said = run()
    assert any("starts anew" in line for line in said)
    assert not (folder / "metrics.csv").exists()


@pytest.mark.parametrize("damage", [b"half", None])
def test_a_part_whose_checkpoint_cannot_be_used_starts_anew(table, results, tmp_path, damage):
    said, folder = [], tmp_path / "work" / "tiny" / "A--X--quick--seed0" / "start0"
    folder.mkdir(parents=True)
    if damage is not None:
        (folder / "best.ckpt").write_bytes(damage)
    (folder / "last.ckpt").touch()

    def train(cell, splits, folder, machine):
        if (folder / "start0" / "last.ckpt").exists():
            load_weights(cell.build(), folder / "start0" / "best.ckpt")
        return made_up(seed=cell.seed)

    (first, *_) = cells(replace(table, train=train))
    run_cells([first], results, tmp_path / "work", machine=Machine(), say=said.append, after=lambda _: None)
    assert any("best.ckpt" in line and "starts anew" in line for line in said)
    assert results.read(first) is not None


def test_a_disk_that_is_full_while_training_is_one_line(table, results, tmp_path):
    def train(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"A--X--quick--seed0 stopped: .*No space left on device"):
        run_cells(
            cells(replace(table, train=train)),
            results,
            tmp_path / "work",
            machine=Machine(),
            say=lambda _: None,
            after=lambda _: None,
        )


def test_another_precision_starts_anew(table, results, tmp_path):
    said = []
    for precision in ("32-true", "bf16-mixed"):
        machine = Machine(precision=precision)
        run_cells(cells(table)[:1], results, tmp_path / "work", machine=machine, say=said.append, after=lambda _: None)
        results.path(cells(table)[0]).unlink()
    assert sum("starts anew" in line for line in said) == 1


def test_a_part_that_fits_is_kept(run, table, tmp_path):
    folder = tmp_path / "work" / "tiny" / "A--X--quick--seed0"
    folder.mkdir(parents=True)
    state = {f"network.{name}": value for name, value in table.rows[0].build(None, 1).state_dict().items()}
    torch.save({"state_dict": state, "global_step": 3}, folder / "last.ckpt")
    run()
    assert (folder / "last.ckpt").exists()
