"""A trained network as one file that runs without this package, compared at once with the network itself."""

import io
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import UserError
from .files import replacing
from .models.saved import SavedModel

LARGEST = 1e-4  # difference between the logits of a file and of the network
INFO = "stn.json"  # beside the program, in a file of torch.export
IMAGES = 16  # that are compared
OPEN_AXES = {"batch": (0,), "size": (2, 3)}

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """What came of an export.

    Attributes:
        path: of the file.
        difference: the largest between its logits and those of the network.
        images: on how many images of the run.
        ms: for one image, by the file.
        eager_ms: by the network.
    """

    path: Path
    difference: float
    images: int
    ms: float
    eager_ms: float


@torch.no_grad()
def export(model: SavedModel, images: Tensor, path: Path, *, kind: str, dynamic: tuple[str, ...]) -> Exported:
    """Write a file, run it on images, and keep it if it answers as the network does.

    Args:
        model: trained; (N, C, H, W) images in 0 ... 1 to (N, classes) logits.
        images: (N, C, H, W) of the run.
        path: of the file.
        kind: "onnx" or "torch".
        dynamic: of "batch" and "size", what may differ from call to call; else it is one image of the network's size.

    Raises:
        UserError: the network cannot be exported so, or the file answers otherwise; there is no file then.
    """
    batches = list(_batches(model, images[:IMAGES], dynamic))
    content = _exported(model, batches[0], kind, dynamic)
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)
        run = (_run_onnx if kind == "onnx" else _run_torch)(unfinished)
        difference = max(float((run(batch) - model.network(batch)).abs().max()) for batch in batches)
        if not difference <= LARGEST:  # also where it is no number
            raise UserError(
                f"the file answers otherwise than the network: logits differ by up to {difference:.2g}, more than "
                f"{LARGEST:g}; nothing is kept. --format {'torch' if kind == 'onnx' else 'onnx'} may do better"
            )
        one = batches[-1][:1]
        ms, eager_ms = _ms(lambda: run(one)), _ms(lambda: model.network(one))
    return Exported(path, difference, sum(map(len, batches)), ms, eager_ms)


def images_of(folder: Path, model: SavedModel) -> Tensor:
    """(N, C, H, W) test images that a run has kept for its report.

    Raises:
        UserError: it has none.
    """
    try:
        with np.load(folder / "pictures.npz", allow_pickle=False) as arrays:
            pictures = torch.from_numpy(np.asarray(arrays["images"], dtype=np.float32))  # (N, H, W) or (N, H, W, 3)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{folder / 'pictures.npz'} has no images to try the file on ({error}); `stn train --resume` makes it again"
        ) from error
    images = pictures[:, None] if pictures.ndim == 3 else pictures.movedim(-1, 1)
    expected = (model.preprocessing.channels, *model.preprocessing.size)
    if not len(images) or tuple(images.shape[1:]) != expected:
        raise UserError(
            f"{folder / 'pictures.npz'} holds images of {tuple(images.shape[1:])}, the model takes {expected}"
        )
    return images.contiguous()


def _batches(model: SavedModel, images: Tensor, dynamic: tuple[str, ...]) -> Iterator[Tensor]:
    """What a file is tried on: image by image, or several batches; of other sizes, if it is to take them."""
    if "batch" in dynamic:
        yield images if len(images) > 1 else images.repeat(2, 1, 1, 1)  # of one, exporters take it as always one
        yield images[:1]
    else:
        yield from images.split(1)
    if "size" in dynamic:
        height, width = (side + side // 4 // 2 * 2 for side in images.shape[2:])
        other = F.interpolate(images[:1], (height, width + 2), mode="bilinear", align_corners=False)
        try:
            model.network(other)
        except Exception as error:  # each network has its own way to refuse
            height, width = images.shape[2:]
            raise UserError(
                f"this network takes images of {height} x {width} pixels only; leave out size in --dynamic"
            ) from error
        yield other


def _exported(model: SavedModel, example: Tensor, kind: str, dynamic: tuple[str, ...]) -> bytes:
    open_ = {axis: torch.export.Dim.DYNAMIC for name in dynamic for axis in OPEN_AXES[name]}
    info = {"classes": list(model.classes), "preprocessing": asdict(model.preprocessing)}
    try:
        with _quiet():
            program = torch.export.export(model.network, (example,), dynamic_shapes=(open_,))
            return (_to_onnx if kind == "onnx" else _to_torch)(program, info)
    except Exception as error:  # exporters fail in as many ways as there are networks
        line = " ".join(str(error).split())[:300]
        raise UserError(f"PyTorch cannot export this network to {kind}: {line}") from error


def _to_onnx(program: Any, info: dict[str, Any]) -> bytes:
    import onnx

    made = torch.onnx.export(program, input_names=["images"], output_names=["logits"], verbose=False)
    assert made is not None
    proto = made.model_proto
    onnx.helper.set_model_props(proto, {name: json.dumps(value) for name, value in info.items()})
    return bytes(proto.SerializeToString())


def _to_torch(program: Any, info: dict[str, Any]) -> bytes:
    written = io.BytesIO()
    torch.export.save(program, written, extra_files={INFO: json.dumps(info)})
    return written.getvalue()


def _run_onnx(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def _run_torch(path: Path) -> Run:
    with _quiet(), path.open("rb") as file:
        module: Run = torch.export.load(io.BytesIO(file.read())).module()
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """What PyTorch's exporters say of themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _ms(call: Callable[[], Any]) -> float:
    """Milliseconds: the median of ten calls, after two."""
    seconds = []
    for _ in range(12):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return 1000 * statistics.median(seconds[2:])
