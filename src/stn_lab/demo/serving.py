"""The page on a port of this machine, for as long as it is wanted."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from .exhibit import Exhibit

HOST = "127.0.0.1"
LARGEST_PORT = 65535


def check_port(port: int) -> None:
    """Raises UserError where nothing can be served on it."""
    if not 1 <= port <= LARGEST_PORT:
        raise UserError(f"--port must be from 1 to {LARGEST_PORT}; got {port}")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: what just closed is free
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise UserError(f"port {port} cannot be had ({error.strerror}); take another with --port") from error


@contextmanager
def serving(exhibit: "Exhibit", port: int) -> Iterator[str]:
    """Serve a page; gives its address.

    Nothing is asked for elsewhere, by the page or by its server. What is uploaded lies in a folder that is gone when
    the page is.

    Raises:
        UserError: the port was taken in the meantime.
    """
    with TemporaryDirectory(prefix="stn-demo-") as folder:
        # Read when Gradio is imported, and when components are made.
        os.environ |= {
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        import gradio as gr
        from starlette.middleware import Middleware

        from .guard import Guard
        from .page import page
        from .received import LARGEST_FILE

        blocks = page(exhibit)
        theme = gr.themes.Default(font=gr.themes.Font("sans-serif"), font_mono=gr.themes.Font("monospace"))
        try:
            blocks.queue(default_concurrency_limit=4).launch(
                server_name=HOST,
                server_port=port,
                max_file_size=LARGEST_FILE,
                theme=theme,
                app_kwargs={"middleware": [Middleware(Guard)]},
                share=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                run_history=False,
                enable_monitoring=False,
                footer_links=[],
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise UserError(f"port {port} cannot be had; take another with --port") from error
        try:
            yield f"http://{HOST}:{port}"
        finally:
            blocks.close(verbose=False)
