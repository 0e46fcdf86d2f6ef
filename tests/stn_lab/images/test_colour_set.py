"""The set that the project makes itself: seeded, whole or not there, boxes around what was drawn."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stn_lab.images import read

TOOL = Path(__file__).parents[3] / "tools" / "colour_set.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("colour_set", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(tool, out, *arguments):
    tool.main([str(out), "--train", "2", "--validation", "1", "--test", "1", "--size", "48", *arguments])
    return out


def test_it_is_read_as_a_folder_and_as_a_table(tool, tmp_path, capsys):
    out = make(tool, tmp_path / "set")
    assert capsys.readouterr().out == f"40 images of 48 x 48 in {out}\n"
    for data in (read(out), read(out / "boxes.csv")):
        assert data.classes == tuple("0123456789")
        assert (len(data.train), len(data.validation), len(data.test)) == (20, 10, 10)
        assert data.preprocessing.size == (48, 48)
        assert data.preprocessing.channels == 3
        assert data.train.boxes.isfinite().all()
        assert data.train.boxes.abs().max() <= 1


def test_the_seed_decides_and_the_number_of_images_does_not(tool, tmp_path):
    first, more = make(tool, tmp_path / "a"), make(tool, tmp_path / "b", "--train", "3")
    other = make(tool, tmp_path / "c", "--seed", "1")
    name = "train/7/00001.png"
    assert (first / name).read_bytes() == (more / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize("number", range(8))
def test_the_box_is_where_the_plate_is(tool, number, monkeypatch):
    """On a photograph of one grey, all that differs from it is the plate."""
    grey = Image.new("RGB", (96, 96), (90, 90, 90))
    monkeypatch.setattr(tool, "background", lambda *_: grey.copy())
    image, box = tool.example(96, str(number), np.random.default_rng(number))
    rows, columns = np.nonzero(np.abs(np.asarray(image, dtype=int) - 90).max(axis=2) > 40)
    np.testing.assert_allclose(box, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), atol=1)
    assert 96 * 0.39 < box.bottom - box.top < 96 * 0.61


def test_every_font_has_every_digit(tool, monkeypatch):
    for font in tool.FONTS:
        monkeypatch.setattr(tool, "FONTS", (font,))
        pictures = {tool.plate(label, 30, np.random.default_rng(0)).tobytes() for label in tool.CLASSES}
        assert len(pictures) == 10, font


def test_nothing_half_written(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space"):
        make(tool, tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_left_alone(tool, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        make(tool, tmp_path)
    assert stop.value.code == 2
    assert "exists" in capsys.readouterr().err
