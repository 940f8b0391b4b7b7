"""utils.plot_model: a drawing of a model."""

import xml.etree.ElementTree as ElementTree

import pytest
from nets import small

from pylenet.layers import Dense
from pylenet.models import Sequential
from pylenet.utils import plot_model


def texts(svg):
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [element.text for element in found]


def test_each_layer_has_a_box_that_says_what_is_asked(tmp_path):
    model = small()
    svg = plot_model(model, tmp_path / "m.svg")
    assert texts(svg) == ["Input", *(type(layer).__name__ for layer in model.layers)]
    assert (tmp_path / "m.svg").read_text(encoding="utf-8") == svg
    svg = plot_model(
        model,
        tmp_path / "m.svg",
        show_shapes=True,
        show_layer_names=True,
        show_layer_activations=True,
    )
    for text in ("conv2d: Conv2D", "activation: tanh", "(None, 8, 7, 2) to (None, 8, 7, 3)"):
        assert text in texts(svg)


def test_another_ending_becomes_svg_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match=r"plot_model writes SVG: .*model\.svg, not model\.png"):
        plot_model(small(), to_file=tmp_path / "model.png", dpi=96)
    assert [path.name for path in tmp_path.iterdir()] == ["model.svg"]


def test_a_model_without_an_input_shape_is_drawn_too(tmp_path):
    svg = plot_model(Sequential([Dense(3), Dense(2)]), tmp_path / "m.svg", show_shapes=True)
    assert texts(svg) == ["Input", "Dense", "Dense"]
