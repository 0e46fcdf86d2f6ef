"""What a transformer undoes, in words."""

import io

import pytest
from rich.console import Console

from stn_lab.views.looks import looks_table, said
from stn_lab.views.read import Model
from stn_lab.views.undone import sentence

ALL = {"rotation": 92.0, "scale": 60.0, "shift": 97.6}


@pytest.mark.parametrize(
    ("shares", "family", "words"),
    [
        (ALL, "affine", "It undoes 98 % of shifts, 92 % of turns and 60 % of zooms."),
        (
            ALL | {"rotation": 2.0},
            "affine",
            "It undoes 98 % of shifts and 60 % of zooms; of turns 2 %: it has not learned which way is up.",
        ),
        (
            ALL | {"rotation": 2.0, "scale": -0.3},
            "tps",
            "It undoes 98 % of shifts; of turns 2 % and of zooms 0 %: it has learned neither which way is up nor how "
            "large things are.",
        ),
        ({"rotation": 35.4}, "affine", "It undoes only 35 % of turns."),
        ({"rotation": 0.4}, "affine", "It undoes 0 % of turns: it has not learned which way is up."),
        (
            {"rotation": 1.0, "scale": 2.0, "shift": 3.0},
            "affine",
            "It undoes 3 % of shifts, 2 % of zooms and 1 % of turns: it has learned neither where things are, how "
            "large things are nor which way is up.",
        ),
        (
            ALL | {"rotation": 0.0},
            "attention",
            "It undoes 98 % of shifts and 60 % of zooms; turns it cannot undo, being of the family attention.",
        ),
        (
            {"rotation": 0.0, "scale": 0.0, "shift": 50.0},
            "translation",
            "It undoes 50 % of shifts; zooms and turns it cannot undo, being of the family translation.",
        ),
        ({"rotation": 0.0}, "attention", "Turns it cannot undo, being of the family attention."),
        ({"rotation": float("nan")}, "affine", "It undoes – of turns: it has not learned which way is up."),  # noqa: RUF001
        ({}, "affine", ""),
    ],
)
def test_sentences(shares, family, words):
    assert sentence(shares, family) == words


def test_the_terminal_has_a_line_for_each_transformer():
    one = {name: {"share_percent": share} for name, share in ALL.items()}
    alone = Model("st-cnn", {"undone": one, "box_overlap_mean": 0.84, "boxes_found_percent": 95.0}, {}, {}, "affine")
    pair = Model("st-fcn:tps", {"undone": {"1": one, "2": {"shift": {"share_percent": 3}}}}, {}, {}, "tps")
    console = Console(width=100, file=io.StringIO())
    console.print(looks_table([alone, pair, Model("cnn", {}, {}, {})]))
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines() if "%" in line]
    assert lines == [
        "│ st-cnn │ affine │ 98 % │ 60 % │ 92 % │ 0.84 │ 95.0 % │",
        "│ st-fcn:tps transformer 1 of 2 │ tps │ 98 % │ 60 % │ 92 % │ – │ – │",  # noqa: RUF001
        "│ st-fcn:tps transformer 2 of 2 │ tps │ 3 % │ – │ – │ – │ – │",  # noqa: RUF001
    ]
    assert said([alone, pair])[1].startswith("st-fcn:tps, transformer 1 of 2: It undoes 98 % of shifts")
    assert looks_table([Model("cnn", {}, {}, {}), Model("st-cnn", {}, {}, {})]) is None
