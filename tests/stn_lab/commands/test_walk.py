"""The walk of docs/own-images.md, line by line: a set, a run, and what it is good for; small, with hardly a step."""

import csv
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from stn_lab.cli import main

ROOT = Path(__file__).parents[3]
SMALL = {"--steps": "2", "--batch-size": "4", "--compare": "st-resnet"}


def lines():
    """The commands of the page's blocks, in order, each with its continuation lines."""
    page = (ROOT / "docs" / "own-images.md").read_text()
    blocks = [text for kind, text in re.findall(r"^```(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if not kind]
    text = "\n".join(blocks).replace("\\\n", " ")
    return [
        line for line in text.splitlines() if re.match(r"(python tools/colour_set|stn (train|predict|rectify)) ?", line)
    ]


def small(arguments):
    return [SMALL.get(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


def test_every_line_of_the_walk_runs(tmp_path, monkeypatch, capfd):
    spec = importlib.util.spec_from_file_location("colour_set", ROOT / "tools" / "colour_set.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(tmp_path)
    walked = []
    for line in lines():
        program, *arguments = shlex.split(line)
        if program == "python":
            tool.main([*arguments[1:], "--train", "3", "--validation", "1", "--test", "4"])
        else:
            more = ["--filters", "48", "--accelerator", "cpu"] if arguments[0] == "train" else ["--device", "cpu"]
            main([*small(arguments), *more])
        walked.append(arguments[0])
    assert walked == ["tools/colour_set.py", "train", "predict", "predict", "rectify"]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    coco = json.loads((tmp_path / "rectified" / "regions.json").read_text())
    assert [row["path"] for row in rows] == [f"colour/test/{image['file_name']}" for image in coco["images"]]
    assert len(rows) == 40
    for row, found in zip(rows, coco["annotations"], strict=True):
        assert coco["categories"][found["category_id"] - 1]["name"] == row["class"]
        assert found["score"] == pytest.approx(float(row["probability"]), rel=1e-4)
        assert found["quadrilateral"][2][1] == pytest.approx(float(row["quadrilateral: bottom right y"]), abs=0.01)
    assert "colour/test/7/00003.png: " in capfd.readouterr().out
