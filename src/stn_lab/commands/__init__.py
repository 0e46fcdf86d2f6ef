"""The verbs of `stn`: a file for each, with its options and what it does.

A verb is imported when it is called, and not before. This list is the one place that knows verbs of other packages, and
it knows them by name.
"""

from typing import NamedTuple


class Verb(NamedTuple):
    """Where a verb is written, and what `stn --help` says of it: the first line of its docstring."""

    module: str
    options: str
    summary: str


VERBS = {
    "train": Verb("stn_lab.commands.train", "Train", "Train models, measure them, and write a report."),
    "evaluate": Verb(
        "stn_lab.commands.evaluate", "Evaluate", "Measure the models of a run again, and write its report anew."
    ),
    "predict": Verb(
        "stn_lab.commands.predict", "Predict", "Say what images are of, and where a network looks in them."
    ),
    "rectify": Verb("stn_lab.commands.rectify", "Rectify", "Cut out of images what a transformer looks at."),
    "colocalise": Verb(
        "stn_lab.commands.colocalise", "Colocalise", "Find what pictures share, without labels or boxes."
    ),
    "align": Verb("stn_lab.commands.align", "Align", "Lay an image or a volume on another, and say whether it worked."),
    "export": Verb(
        "stn_lab.commands.export",
        "Export",
        "Write a network as a file that runs without this package, and check it at once.",
    ),
    "demo": Verb(
        "stn_lab.commands.demo", "Demo", "Show a trained model on a page of this machine, to be tried on any image."
    ),
    "reproduce": Verb(
        "stn_paper.command",
        "Reproduce",
        "Run the paper's experiments, and put every number beside the published one.",
    ),
    "bench": Verb(
        "stn_bench.command",
        "Bench",
        "Measure how fast the library is, beside PyTorch's own functions and other libraries.",
    ),
    "backends": Verb(
        "stn_lab.commands.backends",
        "Backends",
        "Say which implementations of the operators run here, and why others do not.",
    ),
}
