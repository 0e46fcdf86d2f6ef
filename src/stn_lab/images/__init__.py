"""People's own images: folders, CSV and .npz, read lazily into sets and batches.

`read` looks at a source and says what is in it; `TrainingBatches` makes batches of its training set; `ImageSet.batches`
goes through a validation or test set once. Pixels are decoded when they are asked for.
"""

from .augmentation import Augmentation
from .batches import TrainingBatches
from .catalogue import Skipped
from .data import ImageData, ReadOptions, read, read_unlabelled, read_whole, skipped_lines
from .decoding import Unreadable
from .preprocessing import Fit, Preprocessing
from .sets import Batch, Example, ImageSet

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
