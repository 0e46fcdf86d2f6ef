"""The page itself: Gradio components, and which of them is filled from which."""

import html
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
import torch

from ..images.decoding import SUFFIXES, Unreadable
from ..images.preprocessing import Preprocessing
from .changes import RANGES, Change
from .exhibit import Exhibit
from .look import Answer, Seen, look
from .received import drawn, uploaded
from .view import scene, windows

SHOWN = 5  # classes of each answer
WORDS = {
    "turn": "turn, degrees",
    "scale": "scale",
    "right": "move right, parts of the width",
    "down": "move down, parts of the height",
    "clutter": "clutter, pieces of other images",
}
HELD = (
    "Without the transformer: the same network with the same weights, its transformer held at the identity, so that "
    "what is behind it gets the whole image as it is."
)
NO_TRANSFORMER = "This model has no transformer: it gets the image as it is."

CANVAS = """<canvas width="280" height="280" aria-label="draw here" style="background: black; border-radius: 8px;
touch-action: none; cursor: crosshair"></canvas><p>White on black; a double click wipes it clean.</p>"""
# When a stroke ends, the whole drawing is sent.
STROKES = """
const canvas = element.querySelector("canvas"), pen = canvas.getContext("2d");
const wipe = () => pen.fillRect(0, 0, canvas.width, canvas.height);
const place = (event) => {
  const { left, top } = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
};
let draws = false;
wipe();
pen.strokeStyle = "white"; pen.lineWidth = 22; pen.lineCap = pen.lineJoin = "round";
canvas.addEventListener("pointerdown", (event) => { draws = true; pen.beginPath(); pen.moveTo(...place(event)); });
canvas.addEventListener("pointermove", (event) => { if (draws) { pen.lineTo(...place(event)); pen.stroke(); } });
window.addEventListener("pointerup", () => {
  if (draws) trigger("input", { drawing: canvas.toDataURL("image/png") });
  draws = false;
});
canvas.addEventListener("dblclick", wipe);
"""


def page(exhibit: Exhibit) -> gr.Blocks:
    """The page, not yet served."""
    shape = (exhibit.preprocessing.channels, *exhibit.preprocessing.size)
    first = exhibit.examples[0] if len(exhibit.examples) else np.zeros(shape, dtype=np.uint8)
    with gr.Blocks(title=exhibit.title, analytics_enabled=False, delete_cache=(60, 600)) as blocks:
        gr.HTML(f"<h2>{html.escape(exhibit.title)}</h2>")
        image = gr.State(first.tobytes())  # of (C, H, W): bytes, as Gradio sees of arrays only whether they are others
        with gr.Row():
            with gr.Column(scale=2):
                _bring(exhibit, image)
                sliders = [_slider(name) for name in RANGES]
            with gr.Column(scale=3):
                shown = _show(exhibit)
        gr.on(
            [blocks.load, image.change, *(slider.change for slider in sliders)],
            _looking(exhibit, shape),
            [image, *sliders],
            shown,
            api_name="look",
            show_progress="hidden",
            trigger_mode="always_last",
        )
    return blocks


def _bring(exhibit: Exhibit, image: gr.State) -> None:
    """Three ways to an image, and what is to be said of the one that came."""
    if len(exhibit.examples):
        with gr.Tab("Pick"):
            pictures = [np.squeeze(each.transpose(1, 2, 0)) for each in exhibit.examples]
            gallery = gr.Gallery(
                list(zip(pictures, exhibit.captions, strict=True)),
                columns=3,
                height=280,
                format="png",
                allow_preview=False,
                interactive=False,
                buttons=[],
                label="test images of the run",
                show_label=False,
                elem_id="examples",
            )
    with gr.Tab("Upload"):
        upload = gr.UploadButton("Choose an image", file_types=sorted(SUFFIXES))
    with gr.Tab("Draw"):
        canvas = gr.HTML(html_template=CANVAS, js_on_load=STROKES)
    note = gr.Markdown()

    def pick(event: gr.SelectData) -> tuple[bytes, str]:
        return exhibit.examples[event.index].tobytes(), ""

    def read(path: str) -> tuple[bytes, str]:
        return _readable(uploaded, path, exhibit.preprocessing)

    def draw(event: gr.EventData) -> tuple[bytes, str]:
        return _readable(drawn, event.drawing, exhibit.preprocessing)

    if len(exhibit.examples):
        gallery.select(pick, None, [image, note], api_name="pick", show_progress="hidden")
    upload.upload(read, upload, [image, note], api_name="upload", show_progress="hidden")
    canvas.input(draw, None, [image, note], api_name="draw", show_progress="hidden")


def _readable(
    reading: Callable[[str, Preprocessing], tuple[np.ndarray, str]], source: str, preprocessing: Preprocessing
) -> tuple[bytes, str]:
    try:
        pixels, words = reading(source, preprocessing)
    except Unreadable as error:
        raise gr.Error(html.escape(f"The image is {error}.")) from error
    return pixels.tobytes(), words


def _slider(name: str) -> gr.Slider:
    low, high, start, step = RANGES[name]
    return gr.Slider(low, high, start, step=step, label=WORDS[name], elem_id=name)


def _show(exhibit: Exhibit) -> list[Any]:
    """What a look fills: the image with the region, the crops, both answers, the times."""
    has_transformer = exhibit.subject.still is not None
    with gr.Row():
        region = gr.HTML(elem_id="region", min_height=200)
        crops = gr.HTML(elem_id="crops", visible=has_transformer)
    with gr.Row():
        answer = gr.Label(label="with the transformer" if has_transformer else "answer", num_top_classes=SHOWN)
        still = gr.Label(label="without the transformer", num_top_classes=SHOWN, visible=has_transformer)
    times = gr.Markdown(elem_id="times")
    gr.Markdown(HELD if has_transformer else NO_TRANSFORMER)
    return [region, crops, answer, still, times]


def _looking(exhibit: Exhibit, shape: tuple[int, int, int]) -> Callable[..., tuple[Any, ...]]:
    def looking(
        image: bytes, turn: float, scale: float, right: float, down: float, clutter: float
    ) -> tuple[str, str, dict[str, float], dict[str, float] | None, str]:
        pixels = torch.from_numpy(np.frombuffer(image, dtype=np.uint8).reshape(shape).copy())
        seen = look(exhibit.subject, pixels.float() / 255, Change(turn, scale, right, down, int(clutter)))
        answer = _named(seen.answer, exhibit.classes)
        still = None if seen.still is None else _named(seen.still, exhibit.classes)
        return scene(seen.image, seen.outlines), windows(seen.crops), answer, still, _times(seen)

    return looking


def _named(answer: Answer, classes: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(classes, answer.chances.tolist(), strict=True))


def _times(seen: Seen) -> str:
    spent = f"{seen.answer.milliseconds:.1f} ms"
    return spent if seen.still is None else f"{spent} with the transformer, {seen.still.milliseconds:.1f} ms without"
