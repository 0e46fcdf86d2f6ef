"""The demo's page in a real browser: live, quiet, and of this machine alone."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from stn_lab.demo.exhibit import exhibit

pytestmark = pytest.mark.browser

PATIENCE = 60_000  # milliseconds, for machines that do other things too


@pytest.fixture
def visit(browser) -> Iterator:
    """Open a page; at the end, check that it asked for nothing outside and complained about nothing."""
    contexts, complaints, requests = [], [], []

    def open_page(address, width=1280):
        context = browser.new_context(viewport={"width": width, "height": 1000})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(address)
        tab.locator("#region svg path").first.wait_for()
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    elsewhere = [url for url in requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert elsewhere == []
    assert requests


def changes(tab, place, act):
    """Do something, and wait until a place of the page shows something else."""
    before = tab.locator(place).inner_html()
    act()
    tab.wait_for_function(
        "([place, before]) => document.querySelector(place).innerHTML !== before", arg=[place, before]
    )
    return tab.locator(place).inner_html()


def move(tab, name, value):
    field = tab.locator(f"#{name} input[type=number]")
    field.fill(str(value))
    field.press("Enter")


def test_every_slider_changes_the_crop_the_region_and_the_times(served, visit):
    tab = visit(served)
    for name, value in (("turn", 30), ("scale", 1.5), ("right", 0.2), ("down", -0.1), ("clutter", 5)):
        region = tab.locator("#region").inner_html()
        changes(tab, "#crops", lambda name=name, value=value: move(tab, name, value))
        assert tab.locator("#region").inner_html() != region
    assert "ms with the transformer" in tab.locator("#times").inner_text()


def test_names_of_classes_are_text_and_nothing_else(served, visit, run):
    tab = visit(served)
    names = exhibit(run("colour"), None).classes
    shown = tab.locator("body").inner_text()
    for name in names:
        assert shown.count(name) >= 3  # among the answers with and without the transformer, and below a picture
    assert tab.title() == "colour: st-resnet:attention"
    assert tab.locator("img[src=x]").count() == 0


def test_a_picture_can_be_picked(served, visit):
    tab = visit(served)
    changes(tab, "#region", lambda: tab.locator("#examples button").nth(3).click())


def test_a_picture_can_be_brought_and_what_is_none_is_refused(served, visit, tmp_path, bomb):
    tab = visit(served)
    tab.get_by_role("tab", name="Upload").click()
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (50, 70), dtype=np.uint8)).save(tmp_path / "a.png")
    changes(tab, "#region", lambda: tab.locator("input[type=file]").first.set_input_files(tmp_path / "a.png"))
    tab.get_by_text("1 channel (grey), the model takes 32 x 32 pixels and 3 channels").wait_for()
    (tmp_path / "b.png").write_bytes(bomb(30_000, 30_000))
    tab.locator("input[type=file]").first.set_input_files(tmp_path / "b.png")
    tab.get_by_text("The image is too large").wait_for()


def test_a_picture_can_be_drawn(served, visit):
    tab = visit(served)
    tab.get_by_role("tab", name="Draw").click()
    box = tab.locator("canvas").bounding_box()

    def draw():
        tab.mouse.move(box["x"] + 80, box["y"] + 60)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
        tab.mouse.up()

    changes(tab, "#region", draw)


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out(served, visit, width):
    assert visit(served, width).evaluate("document.documentElement.scrollWidth") <= width


def test_a_network_without_a_transformer_has_one_answer(run, load_tool, browser):
    with load_tool.served(run("plain")) as (address, *_):
        tab = browser.new_page()
        tab.goto(address)
        tab.get_by_text("This model has no transformer").wait_for(timeout=PATIENCE)
        tab.locator("#region image").wait_for(timeout=PATIENCE)
        assert not tab.get_by_text("without the transformer").is_visible()
        assert tab.locator("#crops svg").count() == 0
        tab.close()


def test_several_transformers_have_a_colour_each(run, load_tool, visit):
    with load_tool.served(run("two")) as (address, *_):
        tab = visit(address)
        assert tab.locator("#region path").count() == 2
        strokes = [
            tab.locator(f"{place} [stroke]").nth(k).get_attribute("stroke")
            for place in ("#region", "#crops")
            for k in (0, 1)
        ]
        assert strokes[:2] == strokes[2:]
        assert len(set(strokes)) == 2
        tab.close()
