"""`stn align --batch` and `--stack`: resumed, shared, and shown on a page."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import SIDE, record, run, texture, write_pair


@pytest.fixture
def table(tmp_path):
    for seed in range(2):
        write_pair(tmp_path, f"m{seed}.png", f"f{seed}.png", seed=seed)
    lines = ["moving,fixed,name", "m0.png,f0.png,<i>a&b", "m1.png,f1.png,", "gone.png,f1.png,gone"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv"


def test_a_batch_goes_on_where_it_was_stopped(table, capfd):
    out = table.parent / "out"
    options = ("--batch", table, "--family", "affine", "--output", out)
    assert run(*options) == 0
    assert "2 of 3 pairs aligned" in capfd.readouterr().out
    assert record(out / "<i>a&b")["success"]
    assert record(out / "0002")["success"]
    assert "gone.png: not there" in record(out / "gone")["why"]
    page = (out / "index.html").read_text()
    assert "&lt;i&gt;a&amp;b" in page
    assert "<i>a" not in page
    assert "2 of 3 aligned" in page
    stamp = (out / "0002" / "alignment.json").stat().st_mtime_ns
    write_pair(table.parent, "gone.png", "unused.png", seed=1)  # now it is there
    assert run(*options) == 0
    assert "3 of 3 pairs aligned" in capfd.readouterr().out
    assert (out / "0002" / "alignment.json").stat().st_mtime_ns == stamp
    assert run("--batch", table, "--family", "similarity", "--output", out) == 2
    assert "is of other options" in capfd.readouterr().err


def test_processes_share_a_batch(table, monkeypatch, capfd):
    out = table.parent / "out"
    done = {}
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert run("--batch", table, "--family", "translation", "--output", out) == 0
        done[rank] = {path.parent.name for path in out.glob("*/alignment.json")}
        assert (out / "index.html").exists() == (rank == 1)
    assert done == {0: {"<i>a&b", "gone"}, 1: {"<i>a&b", "gone", "0002"}}
    monkeypatch.setenv("RANK", "2")
    assert run("--batch", table, "--output", out) == 2
    assert "RANK must be below WORLD_SIZE" in capfd.readouterr().err


TABLES = {
    "columns": ("a,b\n1,2", "no column 'moving'"),
    "empty": ("moving,fixed\n", "has no pairs"),
    "a gap": ("moving,fixed\na.png,\n", "pair 1: no fixed"),
    "twice": ("moving,fixed,name\na,b,x\nc,d,x\n", "two pairs are named 'x'"),
    "name": ("moving,fixed,name\na,b,../x\n", "cannot be that of a folder"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_does_not_do_is_one_line(case, tmp_path, capfd):
    text, message = TABLES[case]
    (tmp_path / "pairs.csv").write_text(text)
    assert run("--batch", tmp_path / "pairs.csv", "--output", tmp_path / "out") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert run("--batch", tmp_path / "gone.csv", "--output", tmp_path / "out") == 2
    assert run("--stack", tmp_path / "gone", "--output", tmp_path / "out") == 2
    assert run("--stack", tmp_path, "--output", tmp_path / "out") == 2
    assert run("--stack", tmp_path, "--family", "bspline", "--output", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["previous", "mean"])
def test_a_stack_lies_on_its_first(to, tmp_path, capfd):
    folder = tmp_path / "slices"
    folder.mkdir()
    picture = texture((SIDE + 20, SIDE + 20), seed=2)
    for number in range(4):  # windows that move by three pixels a slice, so the truth is exact
        window = picture[4 + 2 * number :, 10 - 3 * number :][:SIDE, :SIDE]
        cv2.imwrite(str(folder / f"s{number}.png"), np.rint(255 * window))
    assert run("--stack", folder, "--to", to, "--family", "translation", "--output", tmp_path / "out") == 0
    assert "4 of 4 images aligned" in capfd.readouterr().out
    stack = json.loads((tmp_path / "out" / "stack.json").read_text())
    assert stack["success"]
    for number, image in enumerate(stack["images"]):
        expected = np.array([[1, 0, -3 * number], [0, 1, 2 * number], [0, 0, 1]])
        np.testing.assert_allclose(image["matrix"], expected, atol=0.25)
    assert (tmp_path / "out" / "index.html").exists()


def test_a_slice_that_fails_says_so_of_all_that_follow(tmp_path, capfd):
    folder = tmp_path / "slices"
    folder.mkdir()
    for number in range(4):
        image = texture((SIDE, SIDE), seed=0)
        image = np.random.default_rng(0).random((SIDE, SIDE)) if number == 1 else image
        cv2.imwrite(str(folder / f"s{number}.png"), np.rint(255 * image))
    assert run("--stack", folder, "--family", "translation", "--output", tmp_path / "out") == 0
    stack = json.loads((tmp_path / "out" / "stack.json").read_text())
    assert [image["success"] for image in stack["images"]] == [True, False, False, False]
    assert "rests upon s1.png" in stack["images"][3]["why"] or "rests upon s2.png" in stack["images"][3]["why"]
