"""Who wins, said honestly."""

import pytest

from stn_lab.views.read import Model
from stn_lab.views.verdict import change, twin, verdict
from stn_lab.views.wording import MISSING


def model(label, error, standard_error=0.1, parameters=60000, localiser=0):
    numbers = {"error_percent": error, "standard_error": standard_error, "test_images": 1800}
    numbers |= {"parameters": parameters, "localiser_parameters": localiser}
    return Model(label, numbers, {}, {})


@pytest.mark.parametrize(
    ("plain", "transformed", "headline"),
    [
        (8.0, 2.0, "With a spatial transformer, the network makes 75 % fewer errors"),
        (2.0, 3.0, "Here the spatial transformer loses: 50 % more errors"),
        (2.0, 8.0, "Here the spatial transformer loses: 4.0 times the errors"),
        (0.0, 8.0, "Here the spatial transformer loses: more errors"),
        (2.0, 2.2, "With or without the spatial transformer: too close to call"),
        (2.0, 2.0, "With or without the spatial transformer: too close to call"),
    ],
)
def test_headline(plain, transformed, headline):
    assert verdict([model("cnn", plain), model("st-cnn", transformed)]).headline == headline


def test_close_to_call_depends_on_the_standard_errors():
    wide = verdict([model("cnn", 8.0, 2.5), model("st-cnn", 4.0, 1.0)])
    narrow = verdict([model("cnn", 8.0, 0.5), model("st-cnn", 4.0, 0.5)])
    assert "too close" in wide.headline
    assert "50 % fewer" in narrow.headline


def test_best_transformer_is_compared_with_its_own_twin():
    models = [model("fcn", 9.0), model("cnn", 5.0), model("st-fcn", 3.0), model("st-cnn:tps", 4.0)]
    assert "67 % fewer" in verdict(models).headline
    assert twin(models[3], models).label == "cnn"


def test_without_a_twin_the_best_plain_network_stands_in():
    found = verdict([model("fcn", 9.0), model("st-cnn", 3.0)])
    assert "fcn, the best network without it, 9.0" in found.detail


@pytest.mark.parametrize(
    ("parameters", "localiser", "words"),
    [
        (80000, 20000, "the same network without it"),
        (60500, 20000, "the same kind and size of network without it"),
        (90000, 20000, "the same kind of network without it"),
    ],
)
def test_detail_says_how_alike_the_networks_are(parameters, localiser, words):
    transformed = model("st-cnn", 3.0, parameters=parameters, localiser=localiser)
    assert f"cnn, {words}, 9.0 ± 0.1 %" in verdict([model("cnn", 9.0), transformed]).detail


def test_models_without_a_number_do_not_count():
    nan = float("nan")
    assert verdict([model("cnn", nan), model("st-cnn", nan)]).headline == "No results yet"
    assert verdict([]).headline == "No results yet"
    alone = verdict([model("cnn", nan), model("st-cnn", 3.0)])
    assert alone.headline == "st-cnn gets 3.0 % of the test images wrong"
    assert "without a transformer" in alone.detail
    assert change(model("st-cnn", nan), model("cnn", 3.0)) == MISSING
