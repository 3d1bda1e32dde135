"""The command that makes a picture again, read by the program's own parser."""

import dataclasses
import shlex

from conftest import paint
from pages import write

from style_transfer.commands import paint as paint_command
from style_transfer.exploration.choices import DreamChoices
from style_transfer.reports import provenance
from style_transfer.settings import FIELDS, Settings


def test_the_command_makes_the_same_settings(tmp_path):
    """The command line's own parser reads the command back."""
    settings = Settings(
        style_weight=1e-7,
        enlarge=True,
        init="a picture's name.png",
        style_layers=("block1_conv1:2", "block2_conv1"),
        content_layers=("block3_conv1", "block4_conv1"),
        optimizer="adam",
        average=0.95,
    )
    content = paint(tmp_path / "it's a $HOME; `photo`.png", 1)
    tree = write(tmp_path / "run", settings=settings, content=content)
    start = tree.text.index("python main.py")
    words = shlex.split(tree.text[start : tree.text.index("\n", start)])
    parsed = paint_command.command.make_context("main.py", words[2:]).params
    assert parsed["content"] == (str(content),)
    assert {name: parsed[name] for name in FIELDS} == dataclasses.asdict(settings)


def test_every_setting_has_the_flag_that_the_command_names():
    flags = {each.name: each.opts for each in paint_command.command.params}
    for name, field in FIELDS.items():
        value = {bool: True, tuple: ["x"]}.get(type(field.default), "x")
        assert provenance.list_option(field, value)[0] in flags[name]


def test_several_styles_masks_and_a_start_picture_in_the_command():
    roles = ["content", "style", "style 2", "content mask", "style mask", "style mask 2", "init"]
    inputs = {role: {"path": f"{role[:3]}.png"} for role in roles}
    words = provenance.list_words({"inputs": inputs, "settings": {"init": "ini.png"}})
    flags = ["content", "style", "style", "content-mask", "style-mask", "style-mask", "init"]
    assert words[2::2] == [f"--{flag}" for flag in flags]
    assert words[-1] == "ini.png"


def test_a_loss_without_layers_is_given_as_none():
    record = {"inputs": {}, "settings": {"style_layers": [], "content_layers": ["block1_conv1"]}}
    words = provenance.list_words(record)
    assert words[2:] == ["--style-layer", "none", "--content-layer", "block1_conv1"]
    assert provenance.explain("style_layers", [])["value"] == "none"


def test_a_command_has_its_own_options_too():
    record = {"command": "dream", "choices": {"zoom": 3}, "settings": {}}
    record["inputs"] = {"content": {"path": "a cat.jpg"}}
    fields = {each.name: each for each in dataclasses.fields(DreamChoices)}
    own = [(fields["zoom"], 3), (fields["steps"], 10), (fields["layers"], ("block1_conv1",))]
    words = "python main.py dream --content 'a cat.jpg' --zoom 3 --layer block1_conv1"
    assert " ".join(provenance.list_words(record, own)) == words
