"""The walk of docs/own-images.md, line by line: a set, a run, and what it is good for; small, with hardly a step."""

import contextlib
import csv
import importlib.util
import json
import re
import shlex
import signal
import time
from pathlib import Path
from socket import socket
from urllib.request import urlopen

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
        line
        for line in text.splitlines()
        if re.match(r"(python tools/colour_set|stn (train|predict|rectify|export|demo)) ?", line)
    ]


def small(arguments):
    return [SMALL.get(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


def port():
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def visited(process, address, patience=120):
    """What a page shows, as soon as it is there; its process is ended as by Ctrl-C."""
    until = time.monotonic() + patience
    while process.returncode is None and time.monotonic() < until:
        with contextlib.suppress(OSError), urlopen(address) as page:
            shown = page.read().decode()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=patience)
            return shown
        time.sleep(0.1)
    raise AssertionError(process.communicate(timeout=1)[0])


def test_every_line_of_the_walk_runs(tmp_path, monkeypatch, capfd, stn_process):
    spec = importlib.util.spec_from_file_location("colour_set", ROOT / "tools" / "colour_set.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(tmp_path)
    walked = []
    more = {"train": ["--filters", "48", "--accelerator", "cpu"], "export": []}
    for line in lines():
        program, *arguments = shlex.split(line)
        if program == "python":
            tool.main([*arguments[1:], "--train", "3", "--validation", "1", "--test", "4"])
        elif arguments[0] == "demo":
            page = visited(stn_process(*arguments, "--port", number := port()), f"http://127.0.0.1:{number}")
        else:
            main([*small(arguments), *more.get(arguments[0], ["--device", "cpu"])])
        walked.append(arguments[0])
    assert walked == ["tools/colour_set.py", "train", "train", "predict", "predict", "rectify", "export", "demo"]
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    coco = json.loads((tmp_path / "rectified" / "regions.json").read_text())
    assert [row["path"] for row in rows] == [f"colour/test/{image['file_name']}" for image in coco["images"]]
    assert len(rows) == 40
    for row, found in zip(rows, coco["annotations"], strict=True):
        assert coco["categories"][found["category_id"] - 1]["name"] == row["class"]
        assert found["score"] == pytest.approx(float(row["probability"]), rel=1e-4)
        assert found["quadrilateral"][2][1] == pytest.approx(float(row["quadrilateral: bottom right y"]), abs=0.01)
    text = capfd.readouterr().out
    assert "colour/test/7/00003.png: " in text
    (off,) = re.findall(r"st-resnet.onnx: .*logits differ by (\S+) at most", text)
    assert float(off) <= 1e-4
    assert "gradio" in page
