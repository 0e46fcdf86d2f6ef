"""The page in a real browser: nothing is asked for from outside, nothing fails, nothing sticks out."""

from collections.abc import Iterator

import pytest

from stn_lab.views.page import write_report

pytestmark = pytest.mark.browser

# Every picture of the page, those inside of SVG too; 0 for one that cannot be decoded.
WIDTHS = """async () => {
    const addresses = [...document.querySelectorAll("img")].map((picture) => picture.src);
    addresses.push(...[...document.querySelectorAll("image")].map((picture) => picture.getAttribute("href")));
    const decoded = addresses.map(async (address) => {
        const picture = new Image();
        picture.src = address;
        await picture.decode().catch(() => null);
        return picture.naturalWidth;
    });
    return Promise.all(decoded);
}"""


@pytest.fixture
def visit(browser, write_run) -> Iterator:
    """Open the page of a synthetic run; at the end, check that it asked for nothing and complained about nothing."""
    address = write_report(write_run()).as_uri()
    contexts, complaints, requests = [], [], []

    def open_page(width=1280, scheme="light", script=True):
        options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "java_script_enabled": script}
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == {address}


def test_headline_is_seen_first(visit):
    tab = visit()
    headline = tab.locator("h1")
    assert " ".join(headline.inner_text().split()).endswith("75 % fewer errors")
    assert headline.bounding_box()["y"] < 300


def test_every_picture_can_be_decoded(visit):
    widths = visit().evaluate(WIDTHS)
    assert len(widths) > 40
    assert min(widths) > 0


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out(visit, width):
    tab = visit(width)
    tab.locator("summary").first.click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_every_card_says_how_sure_the_network_was(visit):
    tab = visit()
    for kind in (".cards:not(.compact)", ".cards.compact"):  # with a transformer, and without
        captions = tab.locator(f"{kind} .card figcaption").all()
        assert len(captions) == 6
        assert all("· 87 %" in caption.inner_text() for caption in captions)


def test_light_and_dark_differ_and_stay_readable(visit):
    colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    light, dark = (visit(scheme=scheme).evaluate(colours) for scheme in ("light", "dark"))
    assert brightness(light[0]) < 80 < 200 < brightness(light[1])
    assert brightness(dark[1]) < 80 < 200 < brightness(dark[0])


def test_film_can_be_scrubbed(visit):
    tab = visit()
    assert tab.locator(".player output").inner_text() == "step 1,200"
    tab.locator(".player input").fill("1")
    assert tab.locator(".player output").inner_text() == "step 300"
    shown = tab.locator(".player-pictures img").last.get_attribute("src")
    assert shown == tab.locator('tr[data-step="300"] img').last.get_attribute("src")


def test_film_plays_to_its_end(visit):
    tab = visit()
    tab.clock.install(time=0)
    tab.clock.pause_at(60)  # seconds; from here on it runs when it is told to, however slow the machine
    tab.get_by_role("button", name="play").click()
    assert tab.locator(".player output").inner_text() == "step 0"
    tab.clock.run_for(5000)
    assert tab.locator(".player output").inner_text() == "step 1,200"
    assert tab.locator(".player button").inner_text() == "play"


def test_without_script_everything_is_there(visit):
    tab = visit(script=False)
    assert tab.locator(".player").is_hidden()
    assert tab.locator("[data-film] tr").count() == 4
    assert tab.locator("[data-film] tr").last.is_visible()


def brightness(colour: str) -> float:
    """ "rgb(1, 2, 3)" is 2."""
    red, green, blue = (float(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red + green + blue) / 3
