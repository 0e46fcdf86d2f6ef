"""`stn colocalise`, with hardly a step of learning: what it writes, and how it goes on."""

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from stn_lab.applied.job import Job

from .conftest import picture

FEW = ["--steps", "3", "--device", "cpu"]


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Ten pictures that are wider than high, with the same square in each; one that is damaged."""
    root = tmp_path_factory.mktemp("pictures") / "a <b> c"
    random = np.random.default_rng(0)
    square = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for number in range(10):
        pixels = random.integers(100, 120, (60, 90, 3), dtype=np.uint8)
        x, y = random.integers(0, 70), random.integers(0, 40)
        pixels[y : y + 20, x : x + 20] = square
        root.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / f"{number}.png")
    (root / "damaged.png").write_text("no picture")
    return root


def contents(out):
    names = ("regions.json", "contact-sheet.png", "skipped.csv")
    assert sorted(path.name for path in out.iterdir()) == sorted([".job", *names])
    return [(out / name).read_bytes() for name in names]


@pytest.fixture(scope="module")
def whole(alike, tmp_path_factory):
    from stn_lab.cli import main

    out = tmp_path_factory.mktemp("found") / "out"
    main(["colocalise", str(alike), str(out), *FEW])
    return out


def test_boxes_are_coco_with_a_score(alike, whole):
    coco = json.loads((whole / "regions.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "a <b> c", "supercategory": ""}]
    assert [image["file_name"] for image in coco["images"]] == [f"{number}.png" for number in range(10)]
    for image, found in zip(coco["images"], coco["annotations"], strict=True):
        assert (image["width"], image["height"], found["image_id"]) == (90, 60, image["id"])
        left, top, width, height = found["bbox"]
        assert left >= 0
        assert top >= 0
        assert left + width <= 90
        assert top + height <= 60
        assert 0 <= found["score"] <= 1
    assert "damaged.png" in (whole / "skipped.csv").read_text()
    assert sorted(path.name for path in (whole / ".job").iterdir()) == ["job.json", "lock"]


def test_a_process_that_is_killed_goes_on_from_there(alike, whole, tmp_path, monkeypatch, stn_process):
    from stn_lab.training.loop import Loop

    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def ends(*patches):
        with monkeypatch.context() as patch:
            for owner, name in patches:
                patch.setattr(owner, name, kill)
            process = stn_process("colocalise", alike, tmp_path / "out", *FEW)
            text, _ = process.communicate(timeout=120)
        return process.returncode, text

    assert ends((Loop, "_learn"))[0] == -signal.SIGKILL
    assert ends((Job, "done"))[0] == -signal.SIGKILL
    checkpoint = tmp_path / "out" / ".job" / "colocalise" / "last.ckpt"
    before = checkpoint.stat().st_mtime_ns
    assert ends((Job, "finish"))[0] == -signal.SIGKILL
    assert checkpoint.stat().st_mtime_ns == before  # not learnt again
    code, text = ends()
    assert code == 0, text
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/gone", "{tmp}/out"], "gone is not there"),
        (["{tmp}/in/1.png", "{tmp}/out"], "1.png is no folder"),
        (["{tmp}/empty", "{tmp}/out"], "empty holds no images"),
        (["{tmp}/in", "{tmp}/out"], "has 3 pictures that can be read; what they share can be learnt from 8 or more"),
        (["{tmp}/in", "{tmp}/in"], "holds something else already"),
        (["{tmp}/in", "{tmp}/out", "--side", "28"], "--side must be from 0.05 to 1"),
        (["{tmp}/in", "{tmp}/out", "--side", "nan"], "--side must be from 0.05 to 1"),
        (["{tmp}/in", "{tmp}/out", "--steps", "0"], "--steps must be above zero"),
        (["{tmp}/in", "{tmp}/out", "--seed", "-1"], "--seed must be from 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, tmp_path, stn):
    (tmp_path / "empty").mkdir()
    for number in range(3):
        picture(tmp_path / "in" / f"{number}.png")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = stn("colocalise", *(text.format(tmp=tmp_path) for text in arguments))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before


def test_it_is_one_process_s_work(tmp_path, stn, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    picture(tmp_path / "in" / "1.png")
    code, _, err = stn("colocalise", tmp_path / "in", tmp_path / "out")
    assert code == 2
    assert "without torchrun" in err
