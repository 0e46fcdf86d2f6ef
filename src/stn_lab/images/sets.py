"""Sets of images that are decoded when they are asked for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .cache import Cache
from .catalogue import Pictures, Skipped
from .decoding import Unreadable
from .files import WORKERS
from .preprocessing import Preprocessing

Batch = tuple[Tensor, Tensor]  # images (B, C, H, W), float32 in 0 ... 1, and labels (B,), int64


class Reader:
    """Decodes images in threads, each once as long as the cache has room; remembers those that are damaged.

    Threads and not processes: Pillow decodes and resizes without Python's lock, and nothing has to be copied between
    processes. `tools/image_throughput.py` compares them with a DataLoader's processes.
    """

    def __init__(self, pictures: Pictures, preprocessing: Preprocessing) -> None:
        self.pictures = pictures
        self.preprocessing = preprocessing
        self.shape = (preprocessing.channels, *preprocessing.size)
        self.cache = Cache(len(pictures), self.shape)
        self.damaged: dict[int, Skipped] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="decode")

    def read(self, numbers: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, C, H, W) pixels, uint8, and (n,) whether each could be read."""
        pixels = np.zeros((len(numbers), *self.shape), dtype=np.uint8)
        sound = np.ones(len(numbers), dtype=bool)
        missing = [i for i, number in enumerate(numbers) if not self.cache.get(int(number), pixels[i])]

        def decode(places: list[int]) -> None:
            for i in places:
                image = self._decode(int(numbers[i]))
                sound[i] = image is not None
                pixels[i] = 0 if image is None else image

        own, *shares = (missing[worker::WORKERS] for worker in range(WORKERS))
        others = [self._pool.submit(decode, share) for share in shares if share]
        decode(own)  # the thread that asks takes its share: to wait for another costs more than a small image
        for other in others:
            other.result()
        return pixels, sound

    def _decode(self, number: int) -> np.ndarray | None:
        if number in self.damaged:
            return None
        try:
            image = self.pictures.pixels(number, self.preprocessing)
        except Unreadable as reason:
            self.damaged[number] = Skipped(self.pictures.name(number), str(reason))
            return None
        self.cache.put(number, image)
        return image


class Example(NamedTuple):
    """One image of a set.

    Attributes:
        image: (C, H, W), float32 in 0 ... 1.
        label: the number of its class, -1 where unknown.
        box: (4,) left, top, right, bottom in normalised coordinates of the image, NaN where unknown.
        name: its path, or its key and row.
    """

    image: Tensor
    label: int
    box: Tensor
    name: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images, their classes and boxes; pixels are decoded when asked for.

    Attributes:
        reader: of the images of all sets of one source.
        numbers: (N,) which of them are in this set.
        labels: (N,) numbers of classes, int64, -1 where unknown.
        boxes: (N, 4) left, top, right, bottom, in normalised coordinates of what the network sees, NaN where unknown.
    """

    reader: Reader
    numbers: np.ndarray
    labels: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def has_boxes(self) -> bool:
        """Whether any image has one."""
        return bool(self.boxes.isfinite().any())

    def name(self, index: int) -> str:
        """The path of an image, or its key and row."""
        return self.reader.pictures.name(int(self.numbers[index]))

    def pixels(self, indices: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor]:
        """(n, C, H, W) images, uint8, and (n,) whether each could be read."""
        pixels, sound = self.reader.read(self.numbers[np.asarray(indices, dtype=np.int64)])
        return torch.from_numpy(pixels), torch.from_numpy(sound)

    def __getitem__(self, index: int) -> Example:
        """Raises: IndexError beyond the end; Unreadable when the file is damaged."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        pixels, sound = self.pixels([index])
        if not sound[0]:
            raise Unreadable(f"{self.name(index)}: {self.reader.damaged[int(self.numbers[index])].reason}")
        return Example(pixels[0].float() / 255, int(self.labels[index]), self.boxes[index], self.name(index))

    def mixed(self) -> "ImageSet":
        """The same images, one of each class in turn: the first few show all of them, as folders in order do not."""
        labels = self.labels.numpy()
        by_class = np.argsort(labels, kind="stable")
        first = np.searchsorted(labels[by_class], labels[by_class])  # where the class of each begins
        turn = np.empty(len(labels), dtype=np.int64)
        turn[by_class] = np.arange(len(labels)) - first
        order = np.lexsort((labels, turn))
        places = torch.from_numpy(order)
        return replace(self, numbers=self.numbers[order], labels=self.labels[places], boxes=self.boxes[places])

    def chunks(self, batch_size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        """In order and without damaged images: (n,) indices, and (n, C, H, W) pixels, uint8; read one chunk ahead."""
        starts = range(0, len(self), batch_size)
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
            ranges = [np.arange(start, min(start + batch_size, len(self))) for start in starts]
            following = ahead.submit(self.pixels, ranges[0]) if ranges else None
            for number, indices in enumerate(ranges):
                assert following is not None
                pixels, sound = following.result()
                if number + 1 < len(ranges):
                    following = ahead.submit(self.pixels, ranges[number + 1])
                yield torch.from_numpy(indices)[sound], pixels[sound]

    def batches(self, batch_size: int = 256, device: torch.device | str = "cpu") -> Iterator[Batch]:
        """What a network is tested on: the images in order, on a device, the last batch smaller."""
        for indices, pixels in self.chunks(batch_size):
            yield as_input(pixels, device), self.labels[indices].to(device)

    def counts(self, classes: int) -> Tensor:
        """(classes,) how many images each class has."""
        return torch.bincount(self.labels[self.labels >= 0], minlength=classes)


def as_input(pixels: Tensor, device: torch.device | str) -> Tensor:
    """uint8 pixels to float32 in 0 ... 1, on a device: converted there, as bytes travel faster."""
    return pixels.to(device).float() / 255
