"""`stn demo`."""

import importlib.util
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..demo.serving import check_port, serving
from ..errors import UserError
from ..runs.folder import RunFolder


@dataclass(frozen=True)
class Demo:
    """Show a trained model on a page of this machine, to be tried on any image."""

    run: tyro.conf.Positional[Path]
    """The folder of the run."""
    model: str | None = None
    """Which of its models; the one with the lowest validation error if left out."""
    port: int = 7860
    """Of http://127.0.0.1, where the page is."""

    def __call__(self) -> None:
        if importlib.util.find_spec("gradio") is None:
            raise UserError("the page needs Gradio: pip install 'spatial-transformer[gradio]'")
        RunFolder.open(self.run)
        check_port(self.port)
        from ..demo.exhibit import exhibit

        with serving(exhibit(self.run, self.model), self.port) as address:
            sys.stdout.write(f"Try it on {address} (Ctrl-C ends it)\n")
            sys.stdout.flush()
            threading.Event().wait()
