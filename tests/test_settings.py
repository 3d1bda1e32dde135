"""Settings: defaults, types, ranges, choices, and refusals that name the setting."""

import math

import pytest

from style_transfer.errors import SettingsError
from style_transfer.method import color
from style_transfer.method.architecture import VGG16, VGG19
from style_transfer.settings import FIELDS, Settings
from style_transfer.validation import parse_strength

NUMBERS = [name for name, field in FIELDS.items() if type(field.default) in (int, float)]


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
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings(**{name: value})


@pytest.mark.parametrize("name", ["size", "epochs", "steps", "learning_rate", "style_scale"])
def test_zero_is_refused_where_it_makes_no_sense(name):
    with pytest.raises(SettingsError, match=f"^{name}: "):
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
        {"style_layers": ("block1_conv1:0",)},
        {"style_layers": ("block1_conv1:inf",)},
        {"style_layers": ("block1_conv1", "block1_conv1:2")},
        {"network": "resnet"},
        {"preserve_color": "lab"},
        {"blend": (1.0, -1.0)},
        {"blend": (math.nan,)},
        {"scales": "256,128"},
        {"scales": "128,128"},
        {"scales": "16,64"},
        {"scales": "large"},
        {"scales": ""},
        {"strength": "1.1"},
        {"strength": "-0.1"},
        {"strength": "nan"},
        {"strength": "1,1"},
        {"strength": "1,1,1,1,2"},
        {"strength": "1,,1,1,1"},
        {"strength": ""},
    ],
)
def test_bad_choices_are_refused(changes):
    (name,) = changes
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings(**changes)


def test_the_strength_is_one_for_all_levels_or_one_for_each():
    assert parse_strength("0.25") == (0.25,) * 5
    assert parse_strength("1,0.5,0, .25,1e-1") == (1.0, 0.5, 0.0, 0.25, 0.1)


def test_an_unknown_layer_is_answered_with_the_list():
    with pytest.raises(SettingsError, match="block1_conv1, block1_conv2, .*block5_conv4"):
        Settings(content_layers=("relu4_2",))


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("epochs", "10", "'10' is not a whole number"),
        ("epochs", None, "None is not a whole number"),
        ("epochs", True, "True is not a whole number"),
        ("size", 512.5, "512.5 is not a whole number"),
        ("size", 512.0, "512.0 is not a whole number"),
        ("style_weight", "200", "'200' is not a number"),
        ("style_weight", True, "True is not a number"),
        ("style_weight", 1 + 0j, r"\(1\+0j\) is not a number"),
        ("init", 7, "7 is not a text"),
        ("loss", 7, "7 is not a text"),
        ("scales", 128, "128 is not a text"),
        ("enlarge", "no", "'no' is not true or false"),
        ("enlarge", 1, "1 is not true or false"),
        ("blend", 1.0, "1.0 is not a list"),
        ("blend", [1.0], r"\[1.0\] is not a list"),
        ("blend", ("1",), "'1' is not a number"),
        ("blend", (True,), "True is not a number"),
        ("content_layers", "block4_conv2", "'block4_conv2' is not a list"),
        ("style_layers", "block4_conv2", "'block4_conv2' is not a list"),
        ("style_layers", (4,), "4 is not a text"),
        ("style_layers", (("block1_conv1", 1.0),), "is not a text"),
    ],
)
def test_values_of_another_type_are_refused_by_name(name, value, reason):
    with pytest.raises(SettingsError, match=f"^{name}: .*{reason}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", FIELDS)
def test_no_setting_takes_a_thing_of_no_type(name):
    for value in (None, object(), {}, b"1", (None,)):
        with pytest.raises(SettingsError, match=f"^{name}: "):
            Settings(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_true_is_no_number(name):
    with pytest.raises(SettingsError, match=f"^{name}: True is not a"):
        Settings(**{name: True})


@pytest.mark.parametrize("name", [name for name in NUMBERS if FIELDS[name].metadata["maximum"]])
def test_numbers_above_the_most_are_refused_by_name(name):
    most = FIELDS[name].metadata["maximum"]
    with pytest.raises(SettingsError, match=f"^{name}: .*too large; the most is "):
        Settings(**{name: 2 * most, "optimizer": "adam"})
    assert getattr(Settings(**{name: most, "optimizer": "adam"}), name) == most


@pytest.mark.parametrize("name", NUMBERS)
def test_a_whole_number_that_no_float_holds_is_refused_by_name(name):
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Settings(**{name: 10**400})


def test_no_blend_is_a_list_of_none():
    assert Settings(blend=()).blend == ()
    assert Settings(blend=(1, 0.5)).blend == (1, 0.5)


@pytest.mark.parametrize("name", ["content_layers", "style_layers"])
def test_layers_must_be_of_the_network(name):
    changes = {name: ("block3_conv4",)}
    assert Settings(**changes, network="vgg19").layers
    with pytest.raises(SettingsError, match="VGG16 has no layer block3_conv4"):
        Settings(**changes, network="vgg16")
    settings = Settings(**{name: ("block3_conv3",)}, network="vgg16")
    assert settings.architecture is VGG16 and "block3_conv3" in settings.layers


def test_one_of_the_losses_may_have_no_layers():
    assert Settings(content_layers=()).layers == tuple(Settings().style_layer_weights)
    assert Settings(style_layers=()).layers == ("block4_conv2",)
    with pytest.raises(SettingsError, match="both none"):
        Settings(content_layers=(), style_layers=())


def test_layers_are_sorted_from_the_image_upwards_and_there_once():
    settings = Settings(
        content_layers=("block5_conv4", "block1_conv2"),
        style_layers=("block3_conv1:2", "block1_conv2"),
    )
    assert settings.architecture is VGG19
    assert settings.layers == ("block1_conv2", "block3_conv1", "block5_conv4")


def test_averages_are_adams():
    with pytest.raises(SettingsError, match="--average works with --optimizer adam only"):
        Settings(average=0.9)
    assert Settings(average=0.9, optimizer="adam").average == 0.9


def test_the_total_variation_goes_with_the_loss():
    forms = {loss: Settings(loss=loss).tv_form for loss in ("relative", "mean", "gatys")}
    expected = {"relative": "isotropic", "mean": "mean-squared", "gatys": "sum-squared"}
    assert forms == expected
    assert Settings(loss="gatys", tv_loss="mean-absolute").tv_form == "mean-absolute"


def test_colors_may_be_kept_in_all_ways_there_are():
    assert FIELDS["preserve_color"].metadata["choices"] == color.MODES
