"""`stn rectify`, of networks that look where they were told to."""

import csv
import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

import stn_lab
from stn_lab.applied import applied
from stn_lab.applied.coco import area, clipped
from stn_lab.applied.rectified import crop_name, lengthened

from .conftest import CLASSES, make_run, picture


def pixels(path):
    """(H, W, 3) or (H, W)."""
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def contents(out):
    """All that a person gets, by name."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".job" not in path.parts
    }


@pytest.fixture(scope="module")
def whole(run, folder, tmp_path_factory):
    from stn_lab.cli import main

    out = tmp_path_factory.mktemp("rectified") / "out"
    main(["rectify", str(run), str(folder), str(out), "--annotate"])
    return out


def test_crops_are_what_the_transformer_hands_over(run, folder, whole):
    model = stn_lab.load(run, "st-resnet")  # of several the best that has one
    names = sorted(str(path.relative_to(whole / "crops")) for path in (whole / "crops").rglob("*.png"))
    assert names == sorted(str(path.relative_to(folder)) for path in folder.rglob("?.png"))
    for name in names:
        with torch.inference_mode():
            expected = model.network.transformer(model.preprocessing.read(folder / name)[None])[0]
        crop = pixels(whole / "crops" / name).transpose(2, 0, 1)
        np.testing.assert_allclose(crop, 255 * expected.numpy(), atol=0.51)


def test_regions_are_valid_coco(folder, whole):
    coco = json.loads((whole / "regions.json").read_text())
    assert coco["categories"] == [
        {"id": k, "name": name, "supercategory": ""} for k, name in enumerate(CLASSES, start=1)
    ]
    assert len(coco["images"]) == len(coco["annotations"]) == 9
    for image, found in zip(coco["images"], coco["annotations"], strict=True):
        assert pixels(folder / image["file_name"]).shape == (image["height"], image["width"], 3) == (32, 64, 3)
        assert found["image_id"] == image["id"]
        assert found["category_id"] in (1, 2, 3)
        assert 1 / 3 <= found["score"] <= 1
        assert found["quadrilateral"] == [[24, -16], [56, -16], [56, 16], [24, 16]]
        assert found["bbox"] == [24, 0, 32, 16]  # the part that is in the picture
        assert found["area"] == 32 * 16
        assert found["iscrowd"] == 0
        assert np.ptp(np.reshape(found["segmentation"][0], (-1, 2)), axis=0).tolist() == [32, 16]
        assert (whole / found["crop"]).is_file()
    assert len({found["id"] for found in coco["annotations"]}) == 9


def test_files_that_are_no_pictures_are_listed(folder, whole):
    with (whole / "skipped.csv").open(newline="") as file:
        rows = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert set(rows) == {"d/short.png", "d/text.jpg", "d/empty.gif", "d/phone.heic"}


def test_pictures_are_annotated_and_shown(folder, whole):
    drawn, plain = pixels(whole / "annotated" / "a" / "1.png.jpg"), pixels(folder / "a" / "1.png")
    assert drawn.shape == plain.shape
    edge = (slice(2, 14), 24)  # the left one of the region, in yellow: much red and no blue
    drawn_yellow, noise = ((image[edge][:, 0] - image[edge][:, 2]).mean() for image in (drawn, plain))
    assert drawn_yellow > noise + 80
    with Image.open(whole / "contact-sheet.png") as sheet:
        assert sheet.size[0] > 1000
    assert sorted(path.name for path in whole.iterdir()) == sorted(
        [".job", "annotated", "contact-sheet.png", "crops", "regions.json", "skipped.csv"]
    )


def test_a_process_that_is_killed_again_and_again_loses_and_repeats_nothing(
    run, folder, whole, tmp_path, monkeypatch, stn_process
):
    from stn_lab.applied.job import Job
    from stn_lab.applied.rectified import Rectifier

    monkeypatch.setattr(applied, "MOST", 2)
    done, write = Job.done, Rectifier._write_crops

    def ends(*killers):
        with monkeypatch.context() as patch:
            for owner, name, killer in killers:
                patch.setattr(owner, name, killer)
            process = stn_process("rectify", run, folder, tmp_path / "out", "--annotate")
            text, _ = process.communicate(timeout=120)
        return process.returncode, text

    def in_the_second_chunk(job, chunk, records):
        if chunk.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        done(job, chunk, records)

    def in_a_crop(rectifier, record, crops):
        write(rectifier, record, crops)
        if record["path"].endswith("5.png"):
            path = rectifier._crop(record["path"], None)
            path.write_bytes(path.read_bytes()[:40])
            os.kill(os.getpid(), signal.SIGKILL)

    def in_the_end(rectifier, job):
        os.kill(os.getpid(), signal.SIGKILL)

    assert ends((Job, "done", in_the_second_chunk))[0] == -signal.SIGKILL
    parts = tmp_path / "out" / ".job" / "parts"
    assert [path.name for path in parts.glob("*.jsonl")] == ["0000000.jsonl"]
    first = (parts / "0000000.jsonl").stat().st_mtime_ns
    assert ends((Rectifier, "_write_crops", in_a_crop))[0] == -signal.SIGKILL
    assert ends((Rectifier, "_merge", in_the_end))[0] == -signal.SIGKILL
    assert (parts / "0000000.jsonl").stat().st_mtime_ns == first  # not done again
    assert not (tmp_path / "out" / "regions.json").exists()
    code, text = ends()
    assert code == 0, text
    assert "13 of 13 images are done already" in text
    assert contents(tmp_path / "out") == contents(whole)


def test_processes_share_the_pictures(run, folder, whole, tmp_path, stn, monkeypatch):
    monkeypatch.setattr(applied, "MOST", 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in (2, 0, 1):
        monkeypatch.setenv("RANK", str(rank))
        code, _, err = stn("rectify", run, folder, tmp_path / "out", "--annotate")
        assert code == 0, err
    assert contents(tmp_path / "out") == contents(whole)


def test_out_may_lie_among_the_pictures(run, tmp_path, stn):
    picture(tmp_path / "1.png")
    for _ in range(2):
        assert stn("rectify", run, tmp_path, tmp_path / "out")[0] == 0
    assert len(json.loads((tmp_path / "out" / "regions.json").read_text())["images"]) == 1


def test_several_transformers_have_crops_of_their_own(tmp_path, stn):
    make_run(tmp_path / "run", "st-resnet", transformers=2, view=8, theta=[[0.5, 0.25, -0.5], [0.5, 3.0, 0.5]])
    picture(tmp_path / "pictures" / "1.png", (32, 32))
    assert stn("rectify", tmp_path / "run", tmp_path / "pictures", tmp_path / "out")[0] == 0
    found = json.loads((tmp_path / "out" / "regions.json").read_text())["annotations"]
    assert [one["crop"] for one in found] == ["crops/1.png.1.png", "crops/1.png.2.png"]
    assert [pixels(tmp_path / "out" / one["crop"]).shape for one in found] == [(8, 8, 3)] * 2
    assert found[0]["bbox"] == [12, 0, 16, 16]
    assert (found[1]["bbox"], found[1]["area"], found[1]["segmentation"]) == ([0, 0, 0, 0], 0, [])  # beside the picture


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/gone", "{tmp}/in", "{tmp}/out"], "gone is not the folder of a run"),
        (["{run}", "{tmp}/gone", "{tmp}/out"], "gone is not there"),
        (["{run}", "{tmp}/in/1.png", "{tmp}/out"], "1.png is no folder"),
        (["{run}", "{tmp}/empty", "{tmp}/out"], "empty holds no images"),
        (["{run}", "{tmp}/in", "{tmp}/in"], "holds something else already"),
        (["{run}", "{tmp}/in", "{tmp}/in/1.png"], "1.png is a file"),
        (["{run}", "{tmp}/in", "{tmp}/out", "--model", "resnet"], "take --model st-resnet"),
        (["{tmp}/plain", "{tmp}/in", "{tmp}/out"], "train one"),
        (["{tmp}/grey", "{tmp}/in", "{tmp}/out"], "has 3 channels (colour), the model takes 1 (grey)"),
        (["{run}", "{tmp}/text", "{tmp}/out"], "1.png: not an image"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, run, tmp_path, stn):
    for name in ("empty", "text"):
        (tmp_path / name).mkdir()
    (tmp_path / "text" / "1.png").write_text("no picture")
    make_run(tmp_path / "plain", "resnet")
    make_run(tmp_path / "grey", "st-resnet", channels=1)
    picture(tmp_path / "in" / "1.png")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = stn("rectify", *(text.format(run=run, tmp=tmp_path) for text in arguments))
    assert code == 2
    (line,) = err.splitlines()
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", [None, 1])
def test_no_two_pictures_have_the_same_crop(number):
    names = [
        "a.png",
        "a.jpg",
        "a.PNG",
        "a.jpg.png",
        "a.jpg.png.png",
        "a.png.png",
        "a.1.png",
        f"{'x' * 251}.jpg",
        f"{'x' * 250}y.jpg",
    ]
    crops = [crop_name(name, number) for name in names]
    assert len(set(crops)) == len(names)
    assert all(len(os.fsencode(crop)) <= 255 for crop in crops)
    assert lengthened("b/" + "é" * 130, ".jpg").startswith("b/éé")


@pytest.mark.parametrize("seed", range(4))
def test_what_is_clipped_is_the_area_within_the_picture(seed):
    """Counted on a fine raster by Pillow."""
    from PIL import ImageDraw

    points = np.random.default_rng(seed).uniform(-30, 90, (4, 2))
    points = points[np.argsort(np.arctan2(*(points - points.mean(axis=0)).T))]  # no two sides cross
    raster = Image.new("L", (60 * 8, 40 * 8))
    ImageDraw.Draw(raster).polygon([(8 * x, 8 * y) for x, y in points], fill=1)
    inside = clipped(points.tolist(), 60, 40)
    assert area(inside) == pytest.approx(np.asarray(raster).sum() / 64, rel=0.02, abs=2)
    assert all(0 <= x <= 60 and 0 <= y <= 40 for x, y in inside)
    assert clipped([(70, 0), (80, 0), (80, 9)], 60, 40) == []
