"""`stn export`."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..errors import UserError
from ..runs.folder import RunFolder

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
OLD = ("torchscript", "jit", "onnx-torchscript")  # what people call it
OPEN = ("batch", "size")


@dataclass(frozen=True)
class Export:
    """Write a network as a file that runs without this package, and check it at once.

    The file takes images (N, C, H, W) in 0 ... 1 and returns logits (N, classes); it carries the names of the classes
    and how images are fitted in. It is run on test images of the run, and kept only if it answers as the network does,
    to 0.0001. `examples/` has what runs it.
    """

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    format: str = "onnx"
    """onnx, for onnxruntime and others; or torch, a program of torch.export, for PyTorch alone."""
    dynamic: str = ""
    """What may differ from call to call, "batch" or "batch,size"; by default one image of the size learnt from."""
    model: str | None = None
    """Of several in the run: st-cnn; by default the one with the lowest validation error."""
    output: Path | None = None
    """The file; by default MODEL.onnx or MODEL.pt2 in the folder of the run."""

    def __call__(self) -> None:
        folder = RunFolder.open(self.run)
        _check_format(self.format)
        dynamic = tuple(dict.fromkeys(word.strip() for word in self.dynamic.split(",") if word.strip()))
        unknown = [word for word in dynamic if word not in OPEN]
        if unknown:
            raise UserError(f"--dynamic knows {' and '.join(OPEN)}, with a comma between; got {unknown[0]!r}")
        if self.output is not None and (self.output.is_dir() or not self.output.parent.is_dir()):
            raise UserError(f"{self.output} cannot be written: name a file, in a folder that exists")
        self._export(folder, dynamic)

    def _export(self, folder: RunFolder, dynamic: tuple[str, ...]) -> None:
        """What needs PyTorch."""
        from ..exporting import export, images_of
        from ..runs.saved import load_model

        model = load_model(folder.path, self.model)
        label = model.spec["model"]["label"]
        name = folder.model(label).name + SUFFIXES[self.format]
        path = folder.path / name if self.output is None else self.output
        images = images_of(folder.model(label), model)
        done = export(model, images, path, kind=self.format, dynamic=dynamic)
        sys.stdout.write(
            f"{done.path}: {label}, {done.path.stat().st_size / 1e6:.1f} MB. On {done.images} images of the run logits "
            f"differ by {done.difference:.1e} at most. An image takes {done.ms:.2f} ms, in eager PyTorch "
            f"{done.eager_ms:.2f} ms.\n"
        )


def _check_format(name: str) -> None:
    if name in OLD:
        raise UserError(
            f"--format {name}: PyTorch's exporters by way of TorchScript are deprecated; the one by way of torch.export"
            " works: --format onnx or --format torch"
        )
    if name not in SUFFIXES:
        raise UserError(f"--format must be onnx or torch; got {name!r}")
    if name == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise UserError(f"{package} is not installed; pip install 'spatial-transformer[export]'")
