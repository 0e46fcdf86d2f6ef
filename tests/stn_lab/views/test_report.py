"""The page as a whole: what it says, that it needs nothing else, and what it does when something is missing."""

import json
import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from stn_lab.errors import UserError
from stn_lab.views import gallery, page
from stn_lab.views.page import write_report
from stn_lab.views.pictures import picture
from stn_lab.views.read import Model
from stn_lab.views.wording import MISSING

from .conftest import as_before, pictures

SWEEP = {
    "kind": "rotation",
    "unit": "degrees",
    "amounts": [-90, -45, 0, 45, 90],
    "trained_range": [-45, 45],
    "error_percent": {"cnn": [60, 12, 9, 11, 55], "st-cnn": [30, 3, 2, 3, None]},
}


def html_of(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def text_of(run: Path) -> str:
    """What a reader sees: without tags, with single spaces."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", html_of(run), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_page_lies_in_the_run_folder_and_nothing_else_is_left(write_run):
    run = write_run()
    before = set(run.iterdir())
    path = write_report(run)
    assert path == run / "report.html"
    assert set(run.iterdir()) == before | {path}


def test_headline_and_table_tell_the_numbers(write_run):
    text = text_of(write_run())
    assert "With a spatial transformer, the network makes 75 % fewer errors" in text
    assert "12.3 ± 0.5 %" in text
    assert "3.1 ± 0.5 %" in text
    assert "61,234" in text
    assert "17,050 (28 %)" in text
    assert "75 % fewer errors than cnn" in text
    assert text.count("lowest error") == 1


def test_what_chance_explains_is_called_that(write_run):
    text = text_of(write_run(cnn=12.0, st_cnn=3.0, **{"st-cnn:tps": 11.5}))
    assert text.count("could be chance") == 1
    assert "4 % fewer errors than cnn, could be chance" in text


def test_a_loss_is_told_too(write_run):
    text = text_of(write_run(cnn=4.0, st_cnn=6.0))
    assert "Here the spatial transformer loses: 50 % more errors" in text
    assert "50 % more errors than cnn" in text


@pytest.mark.parametrize("sweep", [False, True])
def test_page_needs_nothing_from_elsewhere(write_run, sweep):
    run = write_run()
    if sweep:
        (run / "sweep-rotation.json").write_text(json.dumps(SWEEP))
    html = html_of(run)
    addresses = re.findall(r"""\b(?:src|href|srcset|poster|data|action)\s*=\s*["']([^"']*)""", html)
    assert len(addresses) > 50
    assert {address[:5] for address in addresses if not address.startswith("#")} == {"data:"}
    assert not re.search(r"https?:|//\w+\.\w|url\(|@import|<base|<iframe|<object", html)
    assert html.count(str(run.parent)) == 1  # where it says how a model is loaded


def test_every_section_is_there(write_run):
    html = html_of(write_run())
    sections = re.findall(r'<section id="(\w+)"', html)
    assert sections == ["errors", "learning", "sheet", "means", "film", "theta", "settings", "load"]
    assert set(re.findall(r'href="#(\w+)"', html)) == set(sections)


def test_curves_are_in_percent_and_ring_the_step_that_was_kept(write_run):
    html = html_of(write_run())
    assert re.findall(r'class="(\w+)"[^>]*><title>cnn, (\d+): ([\d.]+)', html) == [
        ("dot", "10", "50"),
        ("ring", "20", "12.3"),
    ]


def test_sheets_with_a_transformer_come_first(write_run):
    sheet = html_of(write_run()).partition('<section id="sheet">')[2].partition("</section>")[0]
    assert re.findall(r"<h3>([\w-]+)", sheet) == ["st-cnn", "cnn"]


def test_mean_images_share_one_scale_of_grey(write_run):
    model = page.read_run(write_run()).models[1]
    dim, bright = np.full((10, 1, 5, 7), 0.1), np.full((10, 1, 5, 7), 0.4)
    (found,) = gallery.means(replace(model, pictures={"mean_before": dim, "mean_after": bright}))
    assert found.before[0] == picture(np.full((5, 7), 0.25))
    assert found.after[0] == picture(np.full((5, 7), 1.0))


def test_cards_show_region_answer_and_mistake(write_run):
    html = html_of(write_run())
    assert html.count('<figure class="card right">') == 2 * 5
    assert html.count('<figure class="card wrong">') == 2
    assert ", read as 9" in html
    assert "· 87 %" in html
    # The first outline is the square from -0.5 to 0.5 on 17 x 11 pixels, its first point the top left corner.
    assert 'd="M4.25 2.75 L12.75 2.75 L12.75 8.25 L4.25 8.25 Z"' in html
    assert '<circle class="corner" cx="4.25" cy="2.75"' in html


def test_film_has_inputs_and_a_row_per_moment(write_run):
    html = html_of(write_run())
    assert re.findall(r'<tr data-step="([\d,]+)"', html) == ["0", "300", "1,200"]
    assert html.count('alt="image 4 as it came"') == 1
    assert len(re.findall(r'alt="image \d at step \d+"', html)) == 3 * 4


def test_settings_show_every_key(write_run):
    text = text_of(write_run())
    assert "nested deep 1, none" in text
    assert "distortion RTS" in text


def test_footer_says_where_the_numbers_come_from(write_run):
    text = text_of(write_run())
    assert "stn evaluate RUN" in text
    assert "commit abc1234 · some processor · torch 2.13.0" in text


def test_run_without_transformers(write_run):
    run = write_run(cnn=12.3, fcn=15.0)
    html, text = html_of(run), text_of(run)
    assert "cnn gets 12.3 % of the test images wrong" in text
    assert "no tested model with a spatial transformer" in text
    assert not re.search(r'id="(means|film|theta)"|class="(window|outline|pairs)"|<script', html)


def test_hero_compares_answers_for_the_same_images_only(write_run):
    run = write_run()
    assert {"cnn reads", "st-cnn reads"} <= set(re.findall(r"[\w-]+ reads(?=<)", html_of(run)))
    with np.load(run / "cnn" / "pictures.npz") as arrays:
        np.savez(run / "cnn" / "pictures.npz", **{**arrays, "images": 1 - arrays["images"]})
    assert "cnn reads" not in html_of(run).replace("st-cnn", "")


def test_results_that_do_not_say_everything(write_run):
    run = write_run()
    (run / "results.json").write_text('{"cnn": {"error_percent": 12.3}, "st-cnn": {"error_percent": NaN}}')
    text = text_of(run)
    assert "cnn gets 12.3 % of the test images wrong" in text
    assert "nan" not in text.lower()


def test_a_model_that_has_not_finished_is_in_the_table(write_run):
    run = write_run()
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps({"cnn": results["cnn"]}))
    assert f"st-cnn affine {MISSING} {MISSING} than cnn" in text_of(run)


def test_nan_in_metrics_and_pictures_breaks_nothing(write_run):
    run = write_run()
    (run / "cnn" / "metrics.csv").write_text(
        "step,train/loss,validation/error\n1,nan,\n2,,nan\n3,,0.5\n4,,inf\n5,,0.25\n"
    )
    with np.load(run / "st-cnn" / "pictures.npz") as arrays:
        broken = {**arrays, "outline": arrays["outline"] * np.nan, "theta": arrays["theta"].copy()}
        broken["theta"][:, :, 0] = np.nan
        broken["mean_after"] = np.full_like(arrays["mean_after"], np.nan)
        broken["warped"] = arrays["warped"] * np.inf
    np.savez(run / "st-cnn" / "pictures.npz", **broken)
    html = re.sub(r'"data:[^"]*"', '""', html_of(run))
    assert not re.search(r"\b(nan|inf)\b", html, flags=re.IGNORECASE)
    assert html.count('<figure class="histogram">') == 2  # of three parameters, one was never finite


def test_metrics_with_nothing_finite_leave_the_section_out(write_run):
    run = write_run()
    for label in ("cnn", "st-cnn"):
        (run / label / "metrics.csv").write_text("step,train/loss,validation/error\n1,nan,nan\n")
    assert "Left out: the run has no metrics" in text_of(run)


@pytest.mark.parametrize(("name", "sentence"), [("metrics.csv", "no metrics.csv"), ("pictures.npz", "no pictures.npz")])
def test_missing_files_leave_their_section_out(write_run, name, sentence):
    run = write_run()
    for label in ("cnn", "st-cnn"):
        (run / label / name).unlink()
    assert f"Left out: the run has {sentence}" in text_of(run)


def test_pictures_missing_for_one_model_are_named(write_run):
    run = write_run()
    (run / "cnn" / "pictures.npz").unlink()
    assert "No pictures.npz for cnn" in text_of(run)


def test_sweep_draws_a_curve_per_model_and_the_trained_range(write_run):
    run = write_run()
    assert "Invariance" not in text_of(run)
    (run / "sweep-rotation.json").write_text(json.dumps(SWEEP))
    chart = re.search(
        r'<figure class="chart">\s*<figcaption>Error against rotation.*?</figure>', html_of(run), re.DOTALL
    )
    assert chart
    assert "rotation, degrees" in chart[0]
    assert len(re.findall(r'class="curve"', chart[0])) == 2
    # -90 ... 90 is drawn from 54 to 544, so -45 ... 45 is its middle half.
    assert re.search(r'class="band" x="176.5" y="\d+" width="245.0"', chart[0])


def test_odd_labels_are_escaped_and_their_folders_found(write_run):
    label = 'st-<b>&"cnn":tps'
    html = html_of(write_run(cnn=12.0, **{label: 3.0}))
    assert "<b>" not in html
    assert "st-&lt;b&gt;&amp;&#34;cnn&#34;:tps" in html
    assert html.count('class="window"') > 6


@pytest.mark.parametrize("name", ["config.json", "results.json"])
def test_folder_that_is_no_run_says_so(write_run, name):
    run = write_run()
    (run / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        write_report(run)


def test_damaged_results_say_so(write_run):
    run = write_run()
    (run / "results.json").write_text('{"cnn": ')
    with pytest.raises(UserError, match="damaged"):
        write_report(run)


def test_a_page_that_cannot_be_written_leaves_the_old_one(write_run, monkeypatch):
    run = write_run()
    old = html_of(run)
    monkeypatch.setattr(page, "render", lambda _: "half a page \ud800")  # not to be written as UTF-8
    with pytest.raises(UnicodeEncodeError):
        write_report(run)
    assert (run / "report.html").read_text(encoding="utf-8") == old


def test_models_of_a_kind_have_colours_of_their_own(write_run):
    run = page.read_run(write_run(fcn=1.0, cnn=2.0, st_fcn=3.0, st_cnn=4.0))
    assert page.inks(run.models) == {"fcn": "plain-0", "cnn": "plain-1", "st-fcn": "st-0", "st-cnn": "st-1"}


def test_bars_are_to_scale(write_run):
    first, second = page.rows(page.read_run(write_run(cnn=9.5, st_cnn=2.0)).models)
    assert math.isclose(first.bar, 0.95)  # the longest, with its standard error, fills the width
    assert math.isclose(second.bar, 0.2)
    assert math.isclose(second.whisker, 0.05)


def test_confusions_and_the_hardest_images_are_shown_by_the_names_of_their_classes(write_run):
    run = write_run()
    for model in ("cnn", "st-cnn"):
        path = run / model / "pictures.npz"
        with np.load(path) as arrays:
            kept = dict(arrays)
        hard = {f"hard_{name}": kept[name][-1:] for name in ("images", "labels", "predictions", "confidence")}
        names = np.array(["<script>", *"123456789"])
        counts = np.diag(np.full(10, 4))
        counts[0, 3] = 2
        np.savez(path, **kept, **hard, confusion=counts, class_names=names)
    text = write_report(run).read_text()
    assert text.count('id="hardest"') == 1
    assert text.count('<td class="mistake" style="--share: 1.0">2</td>') == 2
    assert text.count("&lt;script&gt;") > 4
    assert "<script>" not in text.split("<footer>")[0]


def test_only_the_classes_with_most_mistakes_are_in_a_large_table(write_run):
    counts = np.diag(np.full(50, 9))
    counts[7, 40] = counts[41, 8] = 3
    model = Model("cnn", {}, {}, {"confusion": counts})
    table = gallery.confusion(model)
    assert len(table.rows) == gallery.SHOWN_CLASSES
    assert table.left_out == 30
    assert {"7", "8", "40", "41"} <= {row.name for row in table.rows}
    assert gallery.confusion(Model("cnn", {}, {}, {})) is None


def test_the_page_ends_with_how_the_best_model_is_loaded_from_where_it_is(write_run):
    run = write_run()
    code = unescape(re.search(r"<pre><code>(.*?)</code>", html_of(run), re.DOTALL)[1])
    assert f'model = stn_lab.load("{run}", "st-cnn")' in code.splitlines()
    for name in ("cnn", "st-cnn"):
        (run / name / "spec.json").unlink()
    assert "stn_lab.load" not in html_of(run)


def test_a_lone_model_has_won_against_nobody_and_says_its_family(write_run):
    text = text_of(write_run(st_cnn=3.0))
    assert "lowest error" not in text
    assert "st-cnn affine" in text


def test_a_family_that_is_in_the_label_is_not_said_twice(write_run):
    run = write_run(cnn=1.0, **{"st-cnn:tps": 2.0})
    assert [model.family for model in page.read_run(run).models] == ["", "tps"]
    assert "st-cnn:tps tps" not in text_of(run)


UNDONE = {
    "rotation": {"share_percent": 2.1, "applied_spread": 26.0, "remaining_spread": 25.6, "unit": "degrees"},
    "scale": {"share_percent": 60.0, "applied_spread": 17.0, "remaining_spread": 8.0, "unit": "percent"},
    "shift": {"share_percent": 92.3, "applied_spread": 9.8, "remaining_spread": 2.3, "unit": "percent of the image"},
}
UNDONE = {name: one | {"source": "distortion"} for name, one in UNDONE.items()}


def add_results(run, label, **values):
    results = json.loads((run / "results.json").read_text())
    results[label] |= values
    (run / "results.json").write_text(json.dumps(results))


def test_the_page_says_what_is_undone_and_what_was_not_learned(write_run):
    run = write_run()
    assert 'id="undone"' not in html_of(run)  # earlier runs did not measure it
    add_results(run, "st-cnn", undone=UNDONE)
    text = text_of(run).replace("\N{NO-BREAK SPACE}", " ")
    said = "undoes 92 % of shifts and 60 % of zooms; of turns 2 %: it has not learned which way is up."
    assert f"The transformer {said}" in text
    assert f"It {said}" in text
    assert "turns 2 % 26° 26° known from the distortion" in text
    assert "Nobody tells it which way is up" not in text


@pytest.mark.parametrize("damaged", [None, 3, {}, {"rotation": {}}, {"1": None}])
def test_results_that_do_not_say_what_is_undone_break_nothing(write_run, damaged):
    run = write_run()
    add_results(run, "st-cnn", undone=damaged)
    assert "nan" not in text_of(run).lower()


def test_what_was_told_while_it_trained_is_on_the_page_with_the_cure(write_run):
    run = write_run()
    assert 'id="warnings"' not in html_of(run)
    text = "constant theta: <b>theta</b> is the same. Raise `localiser_lr_scale`."
    add_results(run, "st-cnn", warnings=[{"step": 1490, "transformer": "transformer 2", "text": text}])
    assert "step 1,490, transformer 2: constant theta: &lt;b&gt;theta" in text_of(run)
    assert "Raise <code>localiser_lr_scale</code>." in html_of(run)
    assert 'href="#warnings"' in html_of(run)


@pytest.mark.parametrize("damaged", [None, 3, [], [3], [{"step": 1}]])
def test_warnings_that_cannot_be_read_break_nothing(write_run, damaged):
    run = write_run()
    add_results(run, "st-cnn", warnings=damaged)
    assert 'id="warnings"' not in html_of(run)


def test_boxes_are_shown_with_how_well_the_region_fits_each(write_run):
    run = write_run()
    add_results(run, "st-cnn", box_overlap_mean=0.7345, boxes_found_percent=91.5)
    path = run / "st-cnn" / "pictures.npz"
    with np.load(path) as arrays:
        kept = dict(arrays)
    boxes = np.tile([1.0, 2.0, 5.5, 8.0], (6, 1))
    boxes[1] = np.nan
    fits = np.linspace(0.5, 0.9, 40)
    fits[1] = np.nan
    np.savez(path, **kept, boxes=boxes, overlaps=fits)
    html, text = html_of(run), text_of(run).replace("\N{NO-BREAK SPACE}", " ")
    assert "0.73 on average; 91.5 % are found" in text
    assert html.count('<rect class="truth" x="1.0" y="2.0" width="4.5" height="6.0"/>') == 5 + 3  # the sheet, the hero
    assert text.count("· IoU") == 5
    assert "· IoU 0.50" in text


def test_every_transformer_has_a_region_and_a_column_of_its_own(write_run):
    run = write_run()
    np.savez(run / "st-cnn" / "pictures.npz", **pictures(True, looks=3))
    add_results(run, "st-cnn", undone={"1": UNDONE, "2": UNDONE, "3": UNDONE})
    html, text = html_of(run), text_of(run)
    assert html.count('class="window"') == 3 * (6 + 4)
    assert html.count('<g class="look-2">') == 6 + 4
    for section in ("undone", "means", "film", "theta"):
        part = html.partition(f'<section id="{section}">')[2].partition("</section>")[0]
        assert [f"transformer {k} of 3" in part for k in (1, 2, 3)] == [True] * 3
    assert text.count("has not learned which way is up") == 3


def test_runs_of_earlier_versions_look_the_same(write_run):
    run = write_run()
    today = html_of(run)
    np.savez(run / "st-cnn" / "pictures.npz", **as_before(pictures(True)))
    assert html_of(run) == today
