"""`stn predict`, of networks that look where they were told to."""

import csv
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import stn_lab
from stn_lab.applied import applied

from .conftest import make_run, picture

CORNERS = ("top left", "top right", "bottom right", "bottom left")


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def corners(row, head="quadrilateral"):
    return np.array([[float(row[f"{head}: {corner} {axis}"]) for axis in "xy"] for corner in CORNERS])


def test_answers_are_those_of_the_network(run, folder, tmp_path, stn):
    code, out, err = stn("predict", run, folder, "--model", "st-resnet", "--output", tmp_path / "p.csv")
    assert code == 0, err
    rows = table(tmp_path / "p.csv")
    model = stn_lab.load(run, "st-resnet")
    assert [row["path"] for row in rows] == sorted(str(path) for path in folder.rglob("?.png"))
    for row in rows:
        chances = model.network(model.preprocessing.read(row["path"])[None])[0].softmax(dim=0)
        assert row["class"] == model.classes[chances.argmax()]
        assert float(row["probability"]) == pytest.approx(chances.max().item(), rel=1e-4)
        assert [float(row[f"theta: {name}"]) for name in ("scale", "shift x", "shift y")] == [0.5, 0.25, -0.5]
        # 64 x 32 pixels letterboxed to 32 x 32: the window [-0.25, 0.75] x [-1, 0] of what the network sees
        np.testing.assert_allclose(corners(row), [[24, -16], [56, -16], [56, 16], [24, 16]], atol=1e-3)
    skipped = {row["path"]: row["reason"] for row in table(tmp_path / "p.skipped.csv")}
    assert set(skipped) == {str(folder / "d" / name) for name in ("short.png", "text.jpg", "empty.gif", "phone.heic")}
    assert "save it as PNG or JPEG" in skipped[str(folder / "d" / "phone.heic")]
    assert "passed over 4 images" in out
    assert "9 images" in out


@pytest.mark.parametrize("ending", [".json", ".parquet", ".CSV"])
def test_tables_of_all_kinds_say_the_same(ending, run, folder, tmp_path, stn):
    assert stn("predict", run, folder, "--model", "st-resnet", "--output", tmp_path / "p.csv")[0] == 0
    path = tmp_path / f"other{ending}"
    assert stn("predict", run, folder, "--model", "st-resnet", "--output", path)[0] == 0
    expected = table(tmp_path / "p.csv")
    if ending == ".json":
        rows = json.loads(path.read_text())
        assert [row["quadrilateral"] for row in rows] == [corners(row).tolist() for row in expected]
        assert rows[0]["theta"] == {"scale": 0.5, "shift x": 0.25, "shift y": -0.5}
    elif ending == ".parquet":
        from pyarrow import parquet

        rows = parquet.read_table(path).to_pylist()
        assert [list(map(str, row.values())) for row in rows] == [list(row.values()) for row in expected]
        assert list(rows[0]) == list(expected[0])
    else:
        rows = table(path)
    assert [(row["path"], row["class"]) for row in rows] == [(row["path"], row["class"]) for row in expected]


def test_regions_are_of_the_picture_as_a_person_sees_it(run, tmp_path, stn):
    """Letterboxed either way, turned by EXIF, and large JPEGs that are decoded at a fraction of their size."""
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    picture(tmp_path / "wide.png", (100, 50))
    picture(tmp_path / "tall.png", (30, 90))
    picture(tmp_path / "turned.jpg", (60, 40), exif=exif)
    picture(tmp_path / "large.jpg", (1601, 803))
    picture(tmp_path / "small.png", (5, 4))
    shown = {"wide": (100, 50), "tall": (30, 90), "turned": (40, 60), "large": (1601, 803), "small": (5, 4)}
    assert stn("predict", run, tmp_path, "--model", "st-resnet", "--output", tmp_path / "p.csv")[0] == 0
    for row in table(tmp_path / "p.csv"):
        width, height = shown[row["path"].split("/")[-1].partition(".")[0]]
        longest = max(width, height)
        frame = np.array([[-0.25, -1.0], [0.75, -1.0], [0.75, 0.0], [-0.25, 0.0]])  # the window, in the square around
        expected = (frame + 1) / 2 * longest - (longest - np.array([width, height])) / 2
        np.testing.assert_allclose(corners(row), expected, atol=longest / 32)  # bars are of whole pixels


FAMILIES = ["translation", "attention", "rigid", "similarity", "affine", "projective", "piecewise-affine", "tps"]


@pytest.mark.parametrize("family", [*FAMILIES, "bspline", "velocity"])
def test_every_family_has_names_and_corners(family, tmp_path, stn):
    make_run(tmp_path / "run", f"st-resnet:{family}", theta=None)
    picture(tmp_path / "1.png", (80, 40))
    code, _, err = stn("predict", tmp_path / "run", tmp_path / "1.png", "--output", tmp_path / "p.csv")
    assert code == 0, err
    (row,) = table(tmp_path / "p.csv")
    np.testing.assert_allclose(corners(row), [[0, -20], [80, -20], [80, 60], [0, 60]], atol=1e-3)  # the identity
    family = stn_lab.load(tmp_path / "run").network.transformer.family
    assert sum(name.startswith("theta: ") for name in row) == family.parameter_count


def test_several_transformers_have_columns_of_their_own(tmp_path, stn):
    make_run(tmp_path / "run", "st-resnet", transformers=2, theta=[[0.5, 0.25, -0.5], [0.5, -0.5, 0.5]])
    picture(tmp_path / "1.png", (32, 32))
    assert stn("predict", tmp_path / "run", tmp_path / "1.png", "--output", tmp_path / "p.csv")[0] == 0
    (row,) = table(tmp_path / "p.csv")
    np.testing.assert_allclose(corners(row, "quadrilateral 2")[[0, 2]], [[0, 16], [16, 32]], atol=1e-3)
    assert row["theta 2: shift x"] == "-0.5"
    assert stn("predict", tmp_path / "run", tmp_path / "1.png", "--output", tmp_path / "p.json")[0] == 0
    (entry,) = json.loads((tmp_path / "p.json").read_text())
    assert [theta["shift y"] for theta in entry["theta"]] == [-0.5, 0.5]
    assert np.shape(entry["quadrilateral"]) == (2, 4, 2)


def test_networks_without_a_transformer_or_with_one_inside_have_classes(run, timm, tmp_path, stn):
    image = picture(tmp_path / "1.png")
    code, out, _ = stn("predict", run, image)  # the best is a plain one
    assert code == 0
    assert out.startswith(f"{image}: ")
    assert "scale" not in out
    make_run(tmp_path / "run", "st-timm:little.a1@layer1", theta=None, size=(40, 40))
    assert stn("predict", tmp_path / "run", image, "--output", tmp_path / "p.csv")[0] == 0
    (row,) = table(tmp_path / "p.csv")
    assert row["theta: scale"] == "1.0"
    assert not any(name.startswith("quadrilateral") for name in row)


def test_names_are_data(run, tmp_path, stn):
    names = ["=cmd|' /C calc'!A0.png", "<script>.png", "$x$ [red].png", 'a"b,c.png', "line\nbreak.png", "\udcff.png"]
    for name in names:
        picture(tmp_path / "pictures" / name)
    assert stn("predict", run, tmp_path / "pictures", "--output", tmp_path / "p.csv")[0] == 0
    found = {row["path"].rpartition("pictures/")[2] for row in table(tmp_path / "p.csv")}
    assert found == {*names[:-1], "\\udcff.png"}  # bytes that are no text are written out
    code, out, _ = stn("predict", run, tmp_path / "pictures")
    assert code == 0
    assert len(out.splitlines()) == len(names)


def test_a_grey_network_says_what_it_is_not_made_for(tmp_path, stn):
    run = make_run(tmp_path / "run", "st-resnet", channels=1)
    colour = picture(tmp_path / "colour.png")
    grey = picture(tmp_path / "grey.png", mode="L")
    Image.open(grey).convert("RGB").save(tmp_path / "grey.jpg")  # grey, whatever its mode
    code, out, err = stn("predict", run, colour)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "has 3 channels (colour), the model takes 1 (grey)" in line
    assert stn("predict", run, colour, "--grey")[0] == 0
    code, out, err = stn("predict", run, tmp_path)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "passed over 1 image:" in err


def test_a_network_that_answers_nan_is_passed_over(tmp_path, stn):
    run = make_run(tmp_path / "run", "st-resnet", theta=(float("nan"), 0.0, 0.0))
    code, _, err = stn("predict", run, picture(tmp_path / "1.png"), "--output", tmp_path / "p.json")
    assert code == 2
    assert "NaN" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "run"]


def test_processes_share_the_images_and_the_last_writes(run, folder, tmp_path, stn, monkeypatch):
    monkeypatch.setattr(applied, "MOST", 2)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    assert stn("predict", run, folder, "--output", one)[0] == 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (1, 0):
        assert not two.exists()
        monkeypatch.setenv("RANK", str(rank))
        assert stn("predict", run, folder, "--output", two)[0] == 0
    assert two.read_bytes() == one.read_bytes()
    assert (tmp_path / "two.skipped.csv").read_bytes() == (tmp_path / "one.skipped.csv").read_bytes()


def test_a_second_call_finds_it_complete(run, folder, tmp_path, stn):
    call = ("predict", run, folder / "a", "--output", tmp_path / "p.csv")
    assert stn(*call)[0] == 0
    code, out, _ = stn(*call)
    assert (code, out) == (0, f"{tmp_path / 'p.csv'} is complete: 4 images\n")
    code, _, err = stn("predict", run, folder / "a", "--output", tmp_path / "p.csv", "--model", "st-resnet")
    assert code == 2
    assert "model: resnet then, st-resnet now" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/gone", "{image}"], "gone is not the folder of a run"),
        (["{run}"], "no images; name files"),
        (["{run}", "{tmp}/gone.png"], "gone.png is not there"),
        (["{run}", "{tmp}/empty"], "empty holds no images"),
        (["{run}", "{image}", "--model", "fcn"], "has no trained model 'fcn'; it has resnet, st-resnet"),
        (["{run}", "{image}", "--output", "{tmp}/p.xlsx"], "--output must end in .csv, .json, .parquet"),
        (["{run}", "{image}", "--output", "{tmp}/no/p.csv"], "there is no folder"),
        (["{run}", "{image}", "--output", "{tmp}/mine.csv"], "mine.csv exists already"),
        (["{run}", "{tmp}/mine.csv"], "not an image"),
        (["{run}", "{tmp}/mine.csv", "--output", "{tmp}/p.csv"], "not an image"),
        (["{run}", "{image}", "--device", "cuda"], "finds no GPU"),
        (["{tmp}/damaged", "{image}"], "spec.json is damaged"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, run, tmp_path, stn, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.csv").write_text("mine")
    make_run(tmp_path / "damaged", "resnet")
    (tmp_path / "damaged" / "resnet" / "spec.json").write_text("{")
    known = {"run": run, "tmp": tmp_path, "image": picture(tmp_path / "1.png")}
    before = sorted(tmp_path.rglob("*"))
    code, out, err = stn("predict", *(text.format(**known) for text in arguments))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_without_the_extra_the_line_that_installs_it_is_named(run, tmp_path, stn, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = stn("predict", run, picture(tmp_path / "1.png"), "--output", tmp_path / "p.parquet")
    assert code == 2
    assert "pip install 'spatial-transformer[parquet]'" in err
