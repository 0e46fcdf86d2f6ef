"""What docs/own-images.md says is true: its code runs, its names are understood."""

import re
from pathlib import Path

import pytest

from stn_lab.images.catalogue import SPLIT_NAMES
from stn_lab.images.decoding import FORMATS
from stn_lab.images.tables import LABEL, PATH, SPLIT, _plain

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "own-images.md").read_text()


def test_the_code_runs(folder, monkeypatch, capsys):
    folder.rename(folder.parent / "photographs")
    monkeypatch.chdir(folder.parent)
    names = {}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, names)
    assert names["batches"].batch(0)[0].shape == (8, 3, 64, 64)
    assert sorted(names["names"]) == ["cat", "cat", "dog", "dog"]
    assert capsys.readouterr().out.startswith("2 classes; 12 images to train on")


@pytest.mark.parametrize(("row", "known"), [("path,", PATH), ("label", LABEL), ("split", SPLIT)])
def test_the_names_of_columns_are_understood(row, known):
    (cell,) = re.findall(rf"^\| {row}.*?\| (.*?)[:|]", PAGE, re.MULTILINE)
    named = [_plain(name) for name in cell.split(",") if name.strip() not in ("…", "")]
    assert len(named) >= 4
    assert set(named) <= set(known)


def test_the_names_of_splits_are_all_there():
    sentence = PAGE[PAGE.index("the person has made the split") : PAGE.index("whatever their case. A folder")]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(SPLIT_NAMES)


def test_the_formats_are_all_there():
    sentence = PAGE[PAGE.index("\nPNG, JPEG") : PAGE.index("are read, the first frame")].replace(
        "JPEG 2000", "JPEG2000"
    )
    said = {name.upper() for name in re.findall(r"\w+", sentence)} - {"AND"}
    assert said == set(FORMATS) - {"MPO"}  # JPEGs of two cameras
