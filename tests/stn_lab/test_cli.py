"""The command line itself: it knows every verb, and imports none before it is called."""

import errno
import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest
from PIL import Image

from stn_lab.cli import main
from stn_lab.commands import VERBS
from stn_lab.commands.backends import Backends

HEAVY = ("torch", "lightning", "matplotlib", "sklearn", "numpy")


def test_help_says_of_each_verb_what_the_verb_says_of_itself(capfd):
    main(["--help"])
    text = capfd.readouterr().out
    for name, verb in VERBS.items():
        options = getattr(import_module(verb.module), verb.options)
        assert options.__doc__.splitlines()[0] == verb.summary
        assert f"  {name} " in text
        assert verb.summary in text


def test_no_command_is_help(capfd):
    main([])
    assert "usage: stn COMMAND" in capfd.readouterr().out


def test_an_unknown_verb_is_named_with_those_that_there_are(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["trian"])
    assert stop.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line == f"stn: unknown command 'trian'; choose from {', '.join(VERBS)}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_whatever_the_verb_was_at(number, monkeypatch, capfd):
    def full(_):
        raise OSError(number, os.strerror(number), "/there/report.html")

    monkeypatch.setattr(Backends, "__call__", full)
    with pytest.raises(SystemExit) as stop:
        main(["backends"])
    assert stop.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert os.strerror(number) in line
    assert "/there/report.html" in line


AT_ONCE = [
    ["--help"],
    ["train", "--help"],
    ["reproduce", "--help"],
    ["bench", "--help"],
    ["train", "--steps", "0"],
    ["train", "--model", "vgg"],
    ["train", "--family", "warp"],
    ["train", "--compare", "cnn,cnn"],
    ["train", "--name", "../x"],
    ["train", "--devices", "0"],
    ["train", "--distortion", "Q"],
    ["train", "--resume", "--name", "there-is-none"],
    ["evaluate", "there-is-none"],
    ["align", "--help"],
    ["align", "alone.png"],
    ["align", "a.png", "b.png", "--family", "wobbly"],
    ["align", "there-is-none.png", "b.png"],
    ["bench", "--repeats", "1"],
    ["bench", "--parts", "alignment", "--pairs", "0"],
    ["bench", "--parts", "alignment,matrix"],
    ["bench", "--parts", "whole"],
    ["bench", "--passes", "back"],
    ["bench", "--threads", "many"],
    ["bench", "--device", "tpu"],
    ["bench", "--rows", "no-such-row"],
    ["reproduce"],
    ["reproduce", "table9"],
    ["reproduce", "table1", "table9", "--compare"],
    ["reproduce", "table1", "--budget", "huge"],
    ["reproduce", "table1", "--seeds", "0"],
    ["reproduce", "table1", "--json"],
    ["reproduce", "--page-only", "--results", "there-is-none"],
    ["train", "--data", "there-is-none"],
    ["train", "--patience", "-1"],
    ["train", "--label-smoothing", "1"],
    ["train", "--transformers", "0"],
    *([] if find_spec("timm") else [["train", "--model", "timm:resnet18"]]),
]
TABLES = [["table1", "--rows", "ST-RNN"], ["table5", "--budget", "paper"], ["--list"]]
# Says which modules are there that should not be, after each command; all in one process, for it takes long to start.
PROGRAM = """
import json, sys
from stn_lab.cli import main
commands, modules = map(json.loads, sys.argv[1:])
for command in commands:
    try: main(command)
    except SystemExit: pass
    found = [name for name in modules if name in sys.modules]
    assert not found, (command, found)
"""


def imported(commands, modules, folder):
    """What of some modules some commands have imported, in words; nothing if none."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands), json.dumps(modules)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    return done.stderr if done.returncode else ""


def test_what_can_be_said_at_once_is_said_before_anything_large_is_imported(tmp_path):
    assert not imported(AT_ONCE, HEAVY, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_with_images_is_said_before_pytorch_is_imported(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("one", "two"):
        (tmp_path / "small" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (9, 9), 50 * number).save(tmp_path / "small" / name / f"{number}.png")
    (tmp_path / "alone" / "one").mkdir(parents=True)
    (tmp_path / "alone" / "one" / "0.png").write_bytes((tmp_path / "small" / "one" / "0.png").read_bytes())
    (tmp_path / "labels.csv").write_text("path,label\n")
    commands = [["train", "--data", data] for data in ("empty", "small", "alone", "labels.csv")]
    commands += [["colocalise", "empty", "out"]]
    assert not imported(commands, ("torch",), tmp_path)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "runs").exists()


def test_tables_are_known_without_lightning_and_matplotlib(tmp_path):
    commands = [["reproduce", *flags] for flags in TABLES]
    assert not imported(commands, ("lightning", "matplotlib", "sklearn", "tensorboard", "triton"), tmp_path)


@pytest.mark.parametrize(("package", "verb"), [("tyro", "train"), ("tensorboard", "train"), ("rich", "backends")])
def test_without_the_extra_the_line_that_installs_it_is_named_and_nothing_is_left(package, verb, tmp_path):
    code = f"import sys; sys.modules[{package!r}] = None; from stn_lab.cli import main; main([{verb!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [f"stn: {package} is not installed; pip install 'spatial-transformer[lab]'"]
    assert not list(tmp_path.iterdir())
