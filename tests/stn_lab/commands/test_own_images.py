"""`stn train --data` on somebody's images: small folders, few steps."""

import errno
import json
import os
import re
import signal
import sys
from html import unescape
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
import torch
from PIL import Image

import spatial_transformer as st
import stn_lab
from stn_lab.cli import main
from stn_lab.commands.train import Train
from stn_lab.runs.experiment import Experiment
from stn_lab.tasks.data import Data
from stn_lab.training import checkpoint
from stn_lab.training.loop import Loop
from stn_lab.views.wording import short

NAMES = ("<script>alert(1)", "café & <b>")
FEW = ["--steps", "6", "--batch-size", "4", "--validations", "2", "--filters", "48", "--accelerator", "cpu"]


def stn(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of twelve images in colour, 20 x 36 pixels, with a box around what is bright."""
    root = tmp_path_factory.mktemp("my photographs") / "ünïcode"
    random = np.random.default_rng(0)
    lines = ["path,left,top,right,bottom"]
    for number, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for k in range(12):
            pixels = random.integers(0, 60, (36, 20, 3), dtype=np.uint8)
            left, top = random.integers(0, 10), random.integers(0, 24)
            pixels[top : top + 10, left : left + 10, number] += 180
            Image.fromarray(pixels).save(root / name / f"{k}.png")
            lines.append(f"{name}/{k}.png,{left},{top},{left + 10},{top + 10}")
    (root / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    models = ["--compare", "resnet,st-resnet:attention"]
    assert (
        stn("train", "--data", folder, *FEW, *models, "--size", 32, "--runs", runs, "--name", "own", "--augment") == 0
    )
    return runs / "own"


def test_a_folder_is_trained_on_measured_and_shown(run):
    results = json.loads((run / "results.json").read_text())
    assert list(results) == ["resnet", "st-resnet:attention"]
    for result in results.values():
        assert 0 <= result["error_percent"] <= 100
        assert result["test_images"] >= 2
    assert "box_overlap_mean" not in results["resnet"]
    assert 0 < results["st-resnet:attention"]["box_overlap_mean"] < 1
    assert 0 <= results["st-resnet:attention"]["boxes_found_percent"] <= 100
    with np.load(run / "st-resnet-attention" / "pictures.npz", allow_pickle=False) as arrays:
        assert arrays["images"].shape[1:] == (32, 32, 3)
        assert tuple(arrays["class_names"]) == NAMES
        assert arrays["mean_after"].shape == (2, 1, 32, 32, 3)
        assert arrays["boxes"].shape == (len(arrays["images"]), 4)
        assert np.mean(arrays["overlaps"]) == pytest.approx(results["st-resnet:attention"]["box_overlap_mean"])
    undone = results["st-resnet:attention"]["undone"]
    assert {name: one["source"] for name, one in undone.items()} == {
        "rotation": "trial",
        "scale": "boxes",
        "shift": "boxes",
    } or set(undone) == {"rotation", "shift"}  # boxes that are all of one size
    assert undone["rotation"]["share_percent"] == pytest.approx(0, abs=1e-6)  # attention does not turn
    page = (run / "report.html").read_text()
    assert "café &amp; &lt;b&gt;" in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "--sweep" not in page


def test_steps_are_those_that_the_terminal_told(run, folder, tmp_path, capfd):
    flags = [*FEW, "--model", "resnet", "--size", 32, "--runs", tmp_path, "--name", "told"]
    assert stn("train", "--data", folder, *flags) == 0
    told = re.findall(r"^resnet: step (\d+) of 6", capfd.readouterr().out, re.MULTILINE)
    page = (tmp_path / "told" / "report.html").read_text()
    assert re.findall(r"<title>resnet, (\d+): ", page)[: len(told)] == told == ["3", "6"]


def test_the_lines_at_the_end_of_the_page_load_the_model(run, folder, capfd):
    page = (run / "report.html").read_text()
    code = unescape(re.search(r"<pre><code>(.*?)</code>", page, re.DOTALL)[1])
    assert len(code.split("\n\n")[1].splitlines()) == 3
    names = {}
    exec(code.replace("image.png", str(folder / NAMES[0] / "0.png")), names)
    assert names["answer"] in NAMES


def test_evaluate_finds_the_same(run, capfd):
    assert stn("evaluate", run) == 0
    text = capfd.readouterr().out
    results = json.loads((run / "results.json").read_text())
    for result in results.values():
        assert text.count(f"{result['error_percent']:.2f}") >= 2
    assert "box IoU" in text
    assert short(results["st-resnet:attention"]["box_overlap_mean"], 2) in text
    assert "st-resnet:attention: It undoes" in text
    assert stn("evaluate", run, "--sweep", "rotation") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "--sweep turns, scales and moves digits" in line


def test_a_run_whose_process_is_killed_again_and_again_ends_in_the_same_bits(
    folder, tmp_path, monkeypatch, stn_process
):
    flags = ["--data", folder, *FEW, "--model", "st-resnet:attention", "--size", 32, "--augment", "--runs", tmp_path]

    def ends(name, *more):
        process = stn_process("train", *flags, "--name", name, *more)
        text, _ = process.communicate(timeout=120)
        return process.returncode, text

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    def in_a_checkpoint(path, content, write=Path.write_bytes):
        write(path, bytes(content)[: len(content) // 2])
        kill()

    def in_a_step(loop, batches, learn=Loop._learn):
        if loop.step == 5:  # there is a checkpoint of step 3
            kill()
        learn(loop, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", in_a_checkpoint)
        assert ends("killed") == (-signal.SIGKILL, ANY)
    assert list(tmp_path.rglob("*.part"))
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_learn", in_a_step)
        assert ends("killed", "--resume") == (-signal.SIGKILL, ANY)
    for name, more in (("killed", ["--resume"]), ("whole", [])):
        code, text = ends(name, *more)
        assert code == 0, text
    assert not list(tmp_path.rglob("*.part"))
    resumed, whole = (
        torch.load(tmp_path / name / "st-resnet-attention" / "last.ckpt", weights_only=True)
        for name in ("killed", "whole")
    )
    assert resumed["global_step"] == whole["global_step"] == 6
    assert all(torch.equal(resumed["state_dict"][name], whole["state_dict"][name]) for name in whole["state_dict"])


def test_an_npz_of_flat_rows_is_trained_on(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        arrays[f"X_{split}"] = random.random((count, 1600), dtype=np.float32)
        arrays[f"y_{split}"] = np.arange(count) % 3
    np.savez(tmp_path / "clutter.npz", **arrays)
    data = ["--data", tmp_path / "clutter.npz"]
    assert stn("train", *data, *FEW, "--model", "st-cnn", "--class-weights", "--runs", tmp_path / "runs") == 0
    config = json.loads((tmp_path / "runs" / "clutter-st-cnn" / "config.json").read_text())
    assert config["class_weights"] is True
    assert "distortion" not in config
    assert config["localiser"] == "keypoints"
    network = stn_lab.load(tmp_path / "runs" / "clutter-st-cnn").network
    assert isinstance(network.transformer.localiser, st.KeypointLocaliser)
    result = json.loads((tmp_path / "runs" / "clutter-st-cnn" / "results.json").read_text())["st-cnn"]
    assert result["test_images"] == 8


def test_weights_make_every_class_count_the_same():
    from types import SimpleNamespace

    from stn_lab.images import Augmentation, Preprocessing
    from stn_lab.tasks.own_images import OwnImages

    labels = torch.tensor([0] * 6 + [1] * 2)

    class Images(list):
        def counts(self, classes):
            return labels.bincount(minlength=classes)

    data = SimpleNamespace(classes=("a", "b"), preprocessing=Preprocessing((4, 4)), train=Images(range(8)))
    task = OwnImages(data, Augmentation(), weighted=True)
    assert task.weights.tolist() == pytest.approx([8 / 12, 8 / 4])
    assert task.weights[labels].mean() == 1


def test_a_full_disk_is_one_line_and_the_run_goes_on_from_there(folder, tmp_path, capfd, monkeypatch):
    flags = ["train", "--data", folder, *FEW, "--model", "resnet", "--size", 32, "--runs", tmp_path, "--name", "full"]
    save = checkpoint.save

    def full(path, state):
        if state["global_step"] == 6:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        assert stn(*flags) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert "--resume" in line
    assert not list(tmp_path.rglob("*.part"))
    assert stn(*flags, "--resume") == 0
    assert json.loads((tmp_path / "full" / "results.json").read_text())["resnet"]["steps"] == 6


def test_images_that_turn_out_to_be_damaged_are_listed_at_the_end(tmp_path, capfd):
    random = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "data" / "train" / name).mkdir(parents=True)
        for split in ("train", "val", "test"):
            (tmp_path / "data" / split / name).mkdir(parents=True, exist_ok=True)
            for k in range(3):
                pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / name / f"{k}.png")
    damaged = tmp_path / "data" / "train" / "a" / "1.png"
    content = bytearray(damaged.read_bytes())
    content[200:260] = bytes(60)  # whole to look at, but not to decode
    damaged.write_bytes(content)
    assert stn("train", "--data", tmp_path / "data", *FEW, "--model", "resnet", "--runs", tmp_path / "runs") == 0
    text = capfd.readouterr().out
    assert "skipped 1 image:" in text
    assert str(damaged) in text


@pytest.mark.parametrize(
    ("made", "flags", "message"),
    [
        ((), [], "data is empty"),
        (("a",), [], "one class only"),
        (("a", "b"), ["--model", "cnn", "--size", "20"], "needs images of 28 pixels or more"),
        (("a", "b"), ["--size", "0"], "--size must be from 1"),
    ],
)
def test_what_cannot_be_learnt_is_one_line_and_leaves_no_run(made, flags, message, tmp_path, capfd):
    (tmp_path / "data").mkdir()
    for name in made:
        (tmp_path / "data" / name).mkdir()
        for k in range(5):
            Image.new("L", (30, 30), 10 * k).save(tmp_path / "data" / name / f"{k}.png")
    assert stn("train", "--data", tmp_path / "data", *FEW, *flags, "--runs", tmp_path / "runs") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_data_that_is_not_there_is_named_with_what_there_is(tmp_path, capfd):
    assert stn("train", "--data", "letters", "--runs", tmp_path) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line == "stn: unknown data 'letters': neither digits nor mnist, nor a folder or file that is there"


def test_other_images_are_evaluated_on_without_a_trace(run, tmp_path, capfd):
    for name in NAMES:
        (tmp_path / "other" / name).mkdir(parents=True)
        for k in range(3):
            Image.new("RGBA", (50, 70), (10 * k, 200, 0, 255)).save(tmp_path / "other" / name / f"{k}.png")
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert stn("evaluate", run, "--data", tmp_path / "other") == 0
    text = capfd.readouterr().out
    assert text.count("50.00") == 2  # all images alike, two classes
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    (tmp_path / "other" / NAMES[0]).rename(tmp_path / "other" / "coffee")
    assert stn("evaluate", run, "--data", tmp_path / "other") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "classes that were not learnt: 'coffee'" in line
    assert stn("evaluate", run, "--data", tmp_path / "other", "--sweep", "scale") == 2


@pytest.mark.parametrize(
    ("data", "models", "asked", "expected"),
    [
        ("digits", "cnn,st-cnn", None, 4e-3),
        ("x", "cnn,st-cnn:tps", None, 1e-3),
        ("x", "resnet,st-resnet:attention", None, 4e-3),
        ("x", "resnet,st-cnn", None, 1e-3),
        ("x", "timm:resnet18", None, 1e-3),
        ("x", "st-cnn", 0.004, 4e-3),
        ("digits", "st-cnn", 0.5, 0.5),
    ],
)
def test_the_papers_networks_learn_slower_on_photographs_unless_told(data, models, asked, expected):
    assert Train(Data(data), compare=models, lr=asked).experiment().budget.lr == expected


def test_a_run_that_is_resumed_goes_on_at_its_rate(folder, tmp_path, capfd):
    flags = ["train", "--data", folder, *FEW, "--model", "st-cnn", "--size", 32, "--runs", tmp_path, "--name", "rate"]
    assert stn(*flags, "--lr", 0.002) == 0
    assert stn(*flags, "--resume") == 0
    assert json.loads((tmp_path / "rate" / "config.json").read_text())["lr"] == 0.002
    config = json.loads((tmp_path / "rate" / "config.json").read_text())
    config["localiser"] = "paper"  # as runs from before there was a choice
    (tmp_path / "rate" / "config.json").write_text(json.dumps(config))
    assert stn(*flags, "--resume") == 0
    assert stn(*flags, "--lr", 0.003, "--resume") == 2
    assert "lr: 0.002 then, 0.003 now" in capfd.readouterr().err


def test_a_transformer_may_look_twice(folder, tmp_path, capfd):
    flags = ["train", "--data", folder, *FEW, "--model", "st-resnet", "--size", 32, "--runs", tmp_path, "--name", "two"]
    assert stn(*flags, "--looks", 2) == 0
    assert stn_lab.load(tmp_path / "two").network.transformer.steps == 2
    assert stn(*flags, "--looks", 3, "--resume") == 2
    assert "looks: 2 then, 3 now" in capfd.readouterr().err
    assert stn(*flags, "--looks", 0, "--overwrite") == 2
    config = json.loads((tmp_path / "two" / "config.json").read_text())
    del config["looks"], config["label_smoothing"], config["keep"]  # as earlier runs have it
    (tmp_path / "two" / "config.json").write_text(json.dumps(config))
    assert stn(*flags, "--resume") == 0


@pytest.mark.parametrize("label", ["st-timm:little.a1:attention", "st-timm:little.a1@layer1"])
def test_a_network_of_timm_is_trained_saved_and_resumed_without_its_first_weights(folder, tmp_path, capfd, timm, label):
    flags = ["train", "--data", folder, *FEW, "--model", label, "--size", 40, "--runs", tmp_path, "--name", "timm"]
    timm.error = OSError("no route")
    assert stn(*flags) == 2
    assert "cannot be fetched (no route)" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
    timm.error = None
    assert stn(*flags) == 0
    timm.error = OSError("no route")  # the weights are those of the checkpoint by now
    assert stn(*flags, "--resume", "--steps", 8) == 0
    model = stn_lab.load(tmp_path / "timm")
    assert model.network(torch.rand(1, 3, 40, 40)).shape == (1, 2)
    assert json.loads((tmp_path / "timm" / "results.json").read_text())[label]["steps"] == 8
    assert stn("evaluate", tmp_path / "timm") == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "timm:resnet18"], "pip install 'spatial-transformer[timm]'"),
        (["--model", "st-cnn", "--weights", "none"], "--weights none is for networks of timm"),
        (["--model", "st-cnn", "--transformers", "0"], "--transformers must be 1 or more; got 0"),
        (["--model", "st-cnn", "--transformers", "2", "--looks", "2"], "--looks and --transformers do not go together"),
    ],
)
def test_models_that_cannot_be_made_are_refused_at_once(flags, message, monkeypatch, tmp_path, capfd):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert stn("train", *flags, "--runs", tmp_path) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line


def test_weights_that_are_not_there_are_named(timm, tmp_path, capfd):
    assert stn("train", "--model", "timm:little.a1", "--weights", "gone.pt", "--runs", tmp_path) == 2
    assert "--weights must be pretrained, none or a file that is there; got 'gone.pt'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("data", "asked", "expected"),
    [
        ("digits", "auto", "paper"),
        ("digits", "keypoints", "keypoints"),
        ("x", "auto", "keypoints"),
        ("x", "paper", "paper"),
    ],
)
def test_digits_are_looked_for_as_in_the_paper_and_things_in_photographs_by_keypoints(data, asked, expected):
    experiment = Train(Data(data), localiser=asked).experiment()
    assert experiment.spec("st-cnn").localiser == expected
    earlier = experiment.to_json() | {"data": "digits", "distortion": "R"}
    del earlier["localiser"]
    assert Experiment.from_json(earlier).localiser == "paper"  # what there was before there was a choice
