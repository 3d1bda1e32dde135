"""Defaults, ranges and refusals of the settings."""

import math

import pytest

from style_transfer.settings import FIELDS, LAYERS, Settings

NUMBERS = [name for name, field in FIELDS.items() if type(field.default) in (int, float)]


def test_vgg19_has_sixteen_convolutions():
    assert len(LAYERS) == 16
    assert LAYERS[0] == "block1_conv1"
    assert LAYERS[-1] == "block5_conv4"


def test_the_defaults_are_the_layers_of_the_paper():
    settings = Settings()
    assert settings.content_layers == ("block4_conv2",)
    assert settings.style_layer_weights == {f"block{block}_conv1": 1.0 for block in range(1, 6)}
    assert settings.layers[-1] == "block5_conv1"


def test_layers_may_be_given_weights():
    settings = Settings(style_layers=("block1_conv2:1", "block3_conv1:3"))
    assert settings.style_layer_weights == {"block1_conv2": 1.0, "block3_conv1": 3.0}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1])
def test_numbers_that_make_no_sense_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["size", "epochs", "steps", "learning_rate", "style_scale"])
def test_zero_is_refused_where_it_makes_no_sense(name):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: 0})


@pytest.mark.parametrize("name", ["content_weight", "style_weight", "tv_weight", "seed"])
def test_zero_is_accepted_where_it_makes_sense(name):
    assert getattr(Settings(**{name: 0}), name) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "l2"},
        {"pooling": "min"},
        {"content_layers": ("conv4_2",)},
        {"style_layers": ("block9_conv1",)},
        {"style_layers": ("block1_conv1:x",)},
        {"style_layers": ("block1_conv1:nan",)},
        {"style_layers": ("block1_conv1:-1",)},
        {"style_layers": ("block1_conv1", "block1_conv1:2")},
    ],
)
def test_bad_choices_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=name):
        Settings(**changes)


def test_an_unknown_layer_is_answered_with_the_list():
    with pytest.raises(ValueError, match="block1_conv1, block1_conv2, .*block5_conv4"):
        Settings(content_layers=("relu4_2",))
