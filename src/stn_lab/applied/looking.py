"""What a network answers to some pictures, and where in them its transformers look."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatial_transformer import ParallelTransformers, SpatialTransformer, record_thetas

from ..errors import UserError
from ..images.sets import as_input
from ..models.saved import SavedModel
from ..models.theta_names import theta_names
from ..regions import Transformer, regions
from .reading import Pictures

# Pixels of each channel that go through the network together: its layers take many times as much. What they hold of
# more is read from memory rather than from a processor's cache, and takes twice as long.
PIXELS_AT_ONCE = {"cpu": 2**18, "cuda": 2**21}
KEPT = 2**25 - 2**16  # bytes, the most for `keep_memory`


@dataclass(frozen=True)
class Answers:
    """What became of n pictures.

    Attributes:
        labels: (n,) which class each is of.
        probabilities: (n,) how sure the network is of that.
        theta: (n, K, P) parameters of K transformers side by side; K is 0 without one.
        outlines: (n, K, L, 2) around what is sampled, in pixels of the upright pictures; K is 0 where no transformer
            looks at the picture itself.
        crops: (n, K, C, h, w), uint8, what these hand over; none unless they were asked for.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    theta: np.ndarray
    outlines: np.ndarray
    crops: np.ndarray


class Looker:
    """A trained network, and what it is asked for.

    Args:
        model: the network.
        device: where it is to run.
        crops: whether what transformers hand over is wanted.
    """

    def __init__(self, model: SavedModel, device: torch.device, *, crops: bool) -> None:
        self.device = device
        self.crops = crops
        self.preprocessing = model.preprocessing
        self.network = model.network.to(device)
        self.transformer = first_transformer(self.network)
        height, width = model.preprocessing.size
        self.batch_size = max(1, PIXELS_AT_ONCE[device.type] // (height * width))
        # A batch a thread, each on one core. Threads that share a batch wait for each other at every layer, and the
        # more so where others decode and write meanwhile.
        is_inside = self.transformer is not None and self.network.transformer is None  # recorded by hooks, one call's
        at_once = 1 if is_inside or device.type == "cuda" else torch.get_num_threads()
        keep_memory()
        self._pool = ThreadPoolExecutor(at_once, "look", torch.set_num_threads, (1,)) if at_once > 1 else None

    def look(self, pictures: Pictures) -> Answers:
        """Pictures of any number, some at a time."""
        pixels = torch.from_numpy(pictures.pixels)  # (n, C, H, W)
        each = map if self._pool is None else self._pool.map
        parts = list(each(self._look, pixels.split(self.batch_size)))
        labels, probabilities, theta, outlines, crops = (
            torch.cat(each).cpu().numpy() for each in zip(*parts, strict=True)
        )
        outlines = self.preprocessing.source_points(outlines, pictures.decoded, pictures.sizes)
        return Answers(labels, probabilities, theta, outlines, crops)

    @torch.inference_mode()
    def _look(self, pixels: Tensor) -> tuple[Tensor, ...]:
        images = as_input(pixels, self.device)
        logits, theta, seen = self._forward(images)
        probabilities, labels = logits.softmax(dim=1).max(dim=1)
        outlines = images.new_empty(len(images), 0, 4, 2)
        if self.network.transformer is not None:
            outlines = regions(self.network.transformer.family, theta, self.preprocessing.size).outline
        seen = seen if self.crops else seen[:, :0]
        return labels, probabilities, theta, outlines, (255 * seen.clamp(0, 1)).round().to(torch.uint8)

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, (n, K, P) parameters and (n, K, C, h, w) of what is handed over, of (n, C, H, W) images."""
        front = self.network.transformer
        if front is not None:
            seen, theta = front(images, return_theta=True)
            several = isinstance(front, ParallelTransformers)
            logits = self.network.classify(seen)
            return logits, theta if several else theta[:, None], seen if several else seen[:, None]
        with record_thetas(self.network) as recorded:  # of a transformer before a layer
            logits = self.network(images)
        (theta,) = next(iter(recorded.values()), [images.new_empty(len(images), 0, 0)])
        return logits, theta[:, None] if theta.ndim == 2 else theta, images[:, None, :, :0, :0]

    def theta_names(self) -> list[str]:
        """Of the parameters of each transformer."""
        return [] if self.transformer is None else theta_names(self.transformer.family)


def keep_memory() -> None:
    """Have glibc keep what the layers of a network give back, rather than ask the system for it again, page by page.

    It keeps pieces as large as the largest that was ever given back, of at most 32 MiB; this gives back one, untouched.
    Elsewhere it does nothing. Without it a tenth to a third of the time is the system's.
    """
    torch.empty(KEPT, dtype=torch.uint8)


def first_transformer(network: torch.nn.Module) -> Transformer | None:
    """That nearest to the image, None for a network without."""
    return next((m for m in network.modules() if isinstance(m, SpatialTransformer | ParallelTransformers)), None)


def records_of(paths: list[str], pictures: Pictures, answers: Answers | None) -> list[dict[str, Any]]:
    """A record for each file, ready for JSON: what was found, or why it was passed over."""
    found = iter(range(len(pictures.sizes)))
    records: list[dict[str, Any]] = []
    for path, reason in zip(paths, pictures.reasons, strict=True):
        if reason is not None or answers is None:
            records.append({"path": path, "skipped": reason})
            continue
        i = next(found)
        values = (answers.probabilities[i], answers.theta[i], answers.outlines[i])
        if not all(np.isfinite(value).all() for value in values):
            records.append({"path": path, "skipped": "the network answers with numbers that are none (NaN)"})
            continue
        records.append(
            {
                "path": path,
                "size": pictures.sizes[i].tolist(),
                "label": int(answers.labels[i]),
                "probability": _short(answers.probabilities[i]),
                "theta": [[_short(value) for value in theta] for theta in answers.theta[i]],
                "outlines": np.round(answers.outlines[i], 3).tolist(),
            }
        )
    return records


def _short(value: float) -> float:
    """A float32 in as few digits as tell it from its neighbours."""
    return float(f"{value:.7g}")


def device_of(name: str, local: int) -> torch.device:
    """auto, cpu or cuda; of several GPUs the one of this process.

    Raises:
        UserError: there is none.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch finds no GPU here; take --device cpu")
    return torch.device("cuda", local % torch.cuda.device_count())
