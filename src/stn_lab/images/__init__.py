"""People's own images: folders, CSV and .npz, read lazily into sets and batches.

survey.py looks at a source and says what is in it, without PyTorch; data.py reads it into sets (sets.py), whose pixels
are decoded when they are asked for; batches.py makes batches of the training set, augmentation.py moves them.

folders.py, tables.py, arrays.py   a source each, into the entries of a catalogue.py
splits.py                          which images are learnt from
files.py, decoding.py              headers, and pixels of any mode       preprocessing.py   what a network sees of them
cache.py                           decoded images                        volumes.py         of NIfTI, for `stn align`
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .augmentation import Augmentation
    from .batches import TrainingBatches
    from .catalogue import Skipped
    from .data import ImageData, read, read_unlabelled, read_whole, skipped_lines
    from .decoding import Unreadable
    from .preprocessing import Fit, Preprocessing
    from .sets import Batch, Example, ImageSet
    from .survey import ReadOptions

HOMES = {
    "augmentation": ("Augmentation",),
    "batches": ("TrainingBatches",),
    "catalogue": ("Skipped",),
    "data": ("ImageData", "read", "read_unlabelled", "read_whole", "skipped_lines"),
    "decoding": ("Unreadable",),
    "preprocessing": ("Fit", "Preprocessing"),
    "sets": ("Batch", "Example", "ImageSet"),
    "survey": ("ReadOptions",),
}
__all__ = [
    "Augmentation",
    "Batch",
    "Example",
    "Fit",
    "ImageData",
    "ImageSet",
    "Preprocessing",
    "ReadOptions",
    "Skipped",
    "TrainingBatches",
    "Unreadable",
    "read",
    "read_unlabelled",
    "read_whole",
    "skipped_lines",
]


def __getattr__(name: str) -> Any:
    """The names above, from where they live: whoever takes a survey does without PyTorch."""
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
