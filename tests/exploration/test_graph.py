"""The graph of a network: held to the Keras model that it is told from."""

import csv
import io

import numpy as np
import pytest
from conftest import SMALL_VGG19, refused

import functions
from style_transfer.exploration import diagram, graph
from style_transfer.method.architecture import VGG16, VGG19
from style_transfer.settings import Settings

SIZE = (75, 50)


def build(architecture, **options):
    settings = Settings(network=architecture.name.lower(), **options)
    model = functions.build_model(settings.layers, architecture)
    return model, graph.list_nodes(model, SIZE, graph.list_losses(settings))


@pytest.mark.parametrize("architecture", [SMALL_VGG19, VGG16])
def test_every_layer_is_there_once_and_the_weights_add_up(architecture):
    model, nodes = build(architecture)
    convolutions = [node for node in nodes if node.kind == "convolution"]
    names = [layer.name for layer in model.layers if layer.weights]
    assert [node.name for node in convolutions] == names
    assert sum(node.weights for node in nodes) == model.count_params()
    assert [node.kind for node in nodes].count("pooling") == 4


def test_the_sizes_are_those_of_the_features():
    model, nodes = build(SMALL_VGG19)
    found = model(np.zeros((1, SIZE[1], SIZE[0], 3), np.float32))
    by_name = {node.name: node for node in nodes}
    for name, features in found.items():
        node = by_name[name]
        assert (1, node.height, node.width, node.channels) == tuple(features.shape)


@pytest.mark.parametrize("architecture", [VGG19, VGG16])
def test_the_receptive_fields_are_those_of_the_architecture(architecture):
    _, nodes = build(architecture)
    for node in nodes:
        if node.kind == "convolution":
            assert node.field == architecture.receptive_field(node.name)


def test_multiplications_are_counted_as_loops_would_take_them():
    _, nodes = build(SMALL_VGG19)
    by_name = {node.name: node for node in nodes}
    # For each number of the output: 3 × 3 × (channels before); 4, 6 and 8 channels at 75×50, 37×25.
    assert by_name["block1_conv1"].multiplications == 75 * 50 * 4 * (9 * 3)
    assert by_name["block2_conv1"].multiplications == 37 * 25 * 6 * (9 * 4)
    assert by_name["block1_pool"].multiplications == by_name["image"].multiplications == 0


def test_the_losses_hang_on_the_layers_that_feed_them():
    options = {"style_layers": ("block1_conv1:3", "block3_conv1"), "tv_weight": 0.0}
    _, nodes = build(SMALL_VGG19, content_layers=("block2_conv2", "block3_conv1"), **options)
    losses = {node.name: node.losses for node in nodes if node.losses}
    assert losses == {
        "block1_conv1": {"style": 0.75},
        "block2_conv2": {"content": 0.5},
        "block3_conv1": {"content": 0.5, "style": 0.25},
    }
    assert nodes[-1].name == "block3_conv1"  # what no loss needs is not there


def test_the_drawing_has_all_numbers_in_it():
    _, nodes = build(SMALL_VGG19)
    svg = diagram.draw(nodes, "A network", "svg")
    assert svg == diagram.draw(nodes, "A network", "svg")
    text = svg.decode()
    for node in nodes:
        assert f">{node.width}×{node.height}<" in text and f">{node.field} px<" in text
    assert text.count(">conv1<") == 5 and text.count(">pool<") == 4
    assert diagram.draw(nodes, "A network", "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "–"), (448, "448"), (2320, "2.3 k"), (58e6, "58 M"), (1.26e9, "1.3 G")]
)
def test_large_numbers_are_short(number, text):
    assert diagram.shorten(number) == text


def test_the_command_writes_into_data_graph(run_main, small_weights, tmp_path):
    outcome = run_main("model", "--weights", small_weights, "--size", "64")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "data/graph/vgg19-small/model.png\n"
    folder = tmp_path / "cwd" / "data" / "graph" / "vgg19-small"
    rows = list(csv.DictReader(io.StringIO((folder / "model.csv").read_text())))
    assert rows[0]["layer"] == "image" and rows[-1]["layer"] == "block5_conv1"
    assert rows[-1]["height"] == rows[-1]["width"] == "4"
    assert "<svg" in (folder / "sheet.html").read_text()
    drawn = (folder / "model.png").read_bytes()
    (folder / "model.png").unlink()
    assert run_main("model", "--resume", folder).returncode == 0
    assert (folder / "model.png").read_bytes() == drawn
    again = run_main("model", "--weights", small_weights, "--size", "64")
    refused(again, "holds pictures", "--overwrite")


def test_a_picture_gives_the_size(run_main, small_weights, content):
    outcome = run_main("model", "--weights", small_weights, "-c", content, "--dry-run")
    assert outcome.returncode == 0 and outcome.stdout == ""
    assert "64×48 px" in outcome.stderr
