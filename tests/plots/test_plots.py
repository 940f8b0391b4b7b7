"""Plots show the numbers they are about, look like stored pictures, and touch nothing else."""

import io
import re
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import drawings
import numpy as np
import pytest
from drawings import CASES, HISTORY, digits, distortion, lenet_1998, modern, small

import pylenet
from pylenet import _colours, cli, layers, models, plots, utils
from pylenet.cli import _plots
from pylenet.plots import _sheet

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure


def shown(ax):
    """The values of the pictures on Axes, in the order in which they were drawn."""
    return [np.asarray(image.get_array()) for image in ax.images]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def caption(ax):
    (text,) = ax.figure.texts
    return " ".join(text.get_text().split())


# All of them


@pytest.mark.parametrize("name", CASES)
def test_a_plot_looks_like_its_stored_picture(name):
    assert drawings.difference(drawings.drawn(name), drawings.stored(name)) < 0.12


def test_pictures_of_other_contents_are_told_apart():
    pictures = {name: drawings.stored(name) for name in CASES}
    for one, other in combinations(pictures, 2):
        assert drawings.difference(pictures[one], pictures[other]) > 0.3, (one, other)
    moved = np.roll(pictures["images"], 8, axis=1)
    assert drawings.difference(pictures["images"], moved) > 0.3


def test_plots_write_nothing_and_leave_pyplot_alone(tmp_path, run_python):
    code = f"""
import sys
sys.path.insert(0, {str(drawings.PICTURES.parents[1] / "support")!r})
from drawings import CASES
for draw in CASES.values():
    draw()
assert "matplotlib.pyplot" not in sys.modules
"""
    done = run_python(code, MPLCONFIGDIR=str(tmp_path / "config"), PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "config"] == []


@pytest.mark.parametrize("name", [name for name in CASES if name != "learning-curves"])
def test_a_plot_is_drawn_into_the_axes_it_is_given(name):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert CASES[name](ax=right) is right
    assert right.get_title(loc="left")
    assert right.images or right.lines
    assert [*left.images, *left.lines, *left.texts] == []


@pytest.mark.parametrize("name", CASES)
def test_a_plot_has_a_caption(name):
    figure = CASES[name]().get_figure()
    assert len(figure.texts) == 1 or figure.get_suptitle()


@pytest.mark.parametrize("name", ["learning-curves", "codes"])  # a Figure, Axes
def test_a_notebook_shows_what_is_returned(name):
    assert CASES[name]()._repr_png_().startswith(b"\x89PNG")


def test_what_is_no_axes_is_refused():
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes or None, got 3"):
        plots.images(digits()[0], ax=3)


def test_without_matplotlib_plots_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in CASES.values():
        with pytest.raises(ImportError, match=re.escape('pip install "pylenet[plots]"')):
            draw()


def seen(colour, matrix):
    """A colour in linear light as a colour-blind eye has it, as CIE Lab."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(matrix @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15(6), 2009: severity 1.0.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(
    "colours", [(_sheet.LOW, _sheet.ZERO, _sheet.HIGH), _colours.COLOURS], ids=["signed", "lines"]
)
def test_colours_are_told_apart_by_colour_blind_readers(colours, eyes):
    for one, other in combinations(colours, 2):
        apart = np.linalg.norm(seen(one, EYES[eyes]) - seen(other, EYES[eyes]))
        assert apart > 12, (one, other)  # 2 can just be seen


# Learning curves


ROW = {"model": "modern", "seed": 1, "test_loss": 0.1, "history": HISTORY}
ROW_OF_SEEDS = {"model": "modern", "test_loss": 0.1, "runs": [{"seed": 1, "history": HISTORY}]}


def lines(panel):
    return {line.get_label(): line.get_xydata().T.tolist() for line in panel.lines}


def test_learning_curves_are_the_recorded_values_by_epoch():
    loss, accuracy = plots.learning_curves(HISTORY).axes
    epochs = [1, 2, 3, 4]
    for panel, name in ((loss, "loss"), (accuracy, "accuracy")):
        assert panel.get_ylabel().startswith(name)
        expected = {"training": HISTORY[name], "validation": HISTORY[f"val_{name}"]}
        assert lines(panel) == {part: [epochs, values] for part, values in expected.items()}


def test_a_metric_of_validation_is_drawn_alone():
    ax = plots.learning_curves({"a": HISTORY, "b": HISTORY}, metric="val_loss")
    assert lines(ax) == {
        f"{name}, validation": [[1, 2, 3, 4], HISTORY["val_loss"]] for name in "ab"
    }
    assert caption(ax) == "Loss by epoch of a and b. On validation data."


def test_what_fit_returns_is_drawn_at_the_epochs_that_were_validated():
    x, y = digits()
    model = modern()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=5, validation_data=(x, y), validation_freq=[2, 5])
    found = lines(plots.learning_curves(history, metric="accuracy"))
    assert found["training"] == [[1, 2, 3, 4, 5], history.history["accuracy"]]
    assert found["validation"] == [[2, 5], history.history["val_accuracy"]]
    with pytest.raises(ValueError, match="'val_accuracy' for each of 5 epochs, got 2"):
        plots.learning_curves(history.history)


def test_several_runs_have_their_names_in_the_legend():
    runs = [HISTORY, {"loss": [2.0, 1.0]}]
    for given in ({"a": runs[0], "b": runs[1]}, runs):
        names = None if isinstance(given, dict) else ["a", "b"]
        figure = plots.learning_curves(given, names=names)
        (legend,) = figure.legends
        entries = [text.get_text() for text in legend.get_texts()]
        assert entries == ["a, validation", "a, training", "b, training"]
        assert lines(figure.axes[0])["b, training"] == [[1, 2], [2, 1]]
        assert "of a and b" in figure.get_suptitle()
    assert "run 2, training" in lines(plots.learning_curves(runs).axes[0])


def test_runs_may_have_numbers_for_names():
    for given, names in (({1: HISTORY, 2.5: HISTORY}, None), ([HISTORY] * 2, [1, 2.5])):
        figure = plots.learning_curves(given, names=names)
        assert "of 1 and 2.5" in figure.get_suptitle()
        assert "2.5, training" in lines(figure.axes[0])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (({},), ValueError, "history must hold values of an epoch at least, got none"),
        ((3,), TypeError, "history must be what fit returned"),
        (([3],), TypeError, "or several of these, got 3"),
        ((HISTORY, {"metric": "auc"}), ValueError, "metric must be one of .*, got 'auc'"),
        ((HISTORY, {"names": ["a"]}), ValueError, "names must be given with a list of as many"),
        (([HISTORY] * 2, {"names": ["a"] * 2}), ValueError, "names must differ"),
        (({1: HISTORY, "1": HISTORY},), ValueError, "names must differ"),
        (({"loss": 1.0},), TypeError, r"history\['loss'\] must be a list of numbers, .* got 1.0"),
        (({"loss": "low"},), TypeError, r"history\['loss'\] must be a list of numbers"),
        ((ROW,), TypeError, r"got a row of results.json: give row\['history'\]"),
        (([ROW] * 2,), TypeError, r"got a row of results.json: give row\['history'\]"),
        (([ROW_OF_SEEDS],), TypeError, r"give \[run\['history'\] for run in row\['runs'\]\]"),
        (({"loss": ["low"]},), TypeError, r"history\['loss'\] must be a number, got 'low'"),
    ],
)
def test_what_is_no_history_is_refused(arguments, error, text):
    history, *named = arguments
    with pytest.raises(error, match=text):
        plots.learning_curves(history, **(named[0] if named else {}))


def test_axes_for_one_metric_need_its_name():
    with pytest.raises(ValueError, match="metric must be given with ax"):
        plots.learning_curves(HISTORY, ax=Figure().subplots())


# Answers


def counts(labels, answers, classes=10):
    table = np.zeros((classes, classes), int)
    for label, answer in zip(labels, answers, strict=True):
        table[label, answer] += 1
    return table


def written_counts(ax, classes=10):
    table = np.zeros((classes, classes), int)
    for text in ax.texts:
        column, row = text.get_position()
        table[row, column] = int(text.get_text().replace(",", ""))
    return table


def test_the_confusion_matrix_has_numpy_s_counts():
    (x, y), model = digits(500), modern()
    expected = counts(y, model.predict(x).argmax(axis=1))
    ax = plots.confusion_matrix(model, x, y)
    np.testing.assert_array_equal(written_counts(ax), expected)
    off_diagonal = ~np.eye(10, dtype=bool)
    np.testing.assert_array_equal(shown(ax)[0][off_diagonal], expected[off_diagonal])
    assert ax.images[0].get_array().mask[~off_diagonal].all()
    right = np.trace(expected)
    assert f"right on {right} of 500 images ({right / 500:.2%})" in caption(ax)


def test_labels_may_be_one_hot_or_a_column():
    (x, y), model = digits(), modern()
    expected = written_counts(plots.confusion_matrix(model, x, y))
    for labels in (utils.to_categorical(y, 10), y[:, None], y.astype(float)):
        found = plots.confusion_matrix(model, x, labels)
        np.testing.assert_array_equal(written_counts(found), expected)


def test_of_1998_s_distances_the_smallest_is_the_answer():
    (x, y), model = digits(200), lenet_1998()
    expected = counts(y, model.predict(x).argmin(axis=1))
    np.testing.assert_array_equal(written_counts(plots.confusion_matrix(model, x, y)), expected)


def test_a_quantized_model_has_its_own_answers():
    (x, y), model = digits(200), modern()
    quantized = pylenet.quantize(model, x)
    expected = counts(y, quantized.predict(x).argmax(axis=1))
    ax = plots.confusion_matrix(quantized, x, y)
    np.testing.assert_array_equal(written_counts(ax), expected)
    wrong = 200 - np.trace(expected)
    assert f"{wrong} of 200 images wrong" in caption(plots.mistakes(quantized, x, y))


def test_one_output_answers_yes_or_no():
    x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    model = models.Sequential([layers.Dense(1, "sigmoid", input_shape=(1,))])
    model.set_weights([np.array([[5.0]]), np.zeros(1)])
    table = written_counts(plots.confusion_matrix(model, x, [0, 0, 0, 1, 1, 1, 0, 1]), 2)
    assert table.tolist() == [[3, 1], [1, 3]]


def test_classes_have_the_model_s_names():
    x = np.zeros((3, 12, 9, 3), np.float32)
    ax = plots.confusion_matrix(small(), x, [0, 1, 3])
    for axis in (ax.xaxis, ax.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == list(small().class_names)


def test_mistakes_are_the_wrong_images_surest_first():
    (x, y), model = digits(60), modern()
    outputs = model.predict(x)
    answers, sure = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = sorted(np.flatnonzero(answers != y), key=lambda i: -sure[i])
    ax = plots.mistakes(model, x, y, most=len(y))
    for picture, i in zip(shown(ax), wrong, strict=True):
        np.testing.assert_array_equal(picture, x[i])
    lines = [line for i in wrong for line in (f"{y[i]} → {answers[i]}", f"{sure[i]:.3f}")]
    assert texts(ax) == lines
    assert f"{len(wrong)} of 60 images wrong" in caption(ax)
    assert len(shown(plots.mistakes(model, x, y, most=3))) == 3


def test_a_model_without_mistakes_has_none_to_show():
    x, _ = digits()
    ax = plots.mistakes(modern(), x, modern().predict(x).argmax(axis=1))
    assert shown(ax) == []
    assert "gets 0 of 40 images wrong: there is nothing to show" in caption(ax)


@pytest.mark.parametrize("draw", [plots.confusion_matrix, plots.mistakes])
def test_labels_and_models_that_do_not_fit_are_refused(draw):
    x, y = digits(4)
    with pytest.raises(TypeError, match="model must be a Sequential model, got 'lenet'"):
        draw("lenet", x, y)
    with pytest.raises(ValueError, match="model must know its input shape"):
        draw(models.Sequential([layers.Dense(2)]), x, y)
    with pytest.raises(ValueError, match=r"y must have shape \(4,\) or \(4, 1\), got \(3,\)"):
        draw(modern(), x, y[:3])
    with pytest.raises(ValueError, match="y must hold labels below 10, got 10"):
        draw(modern(), x, y + 7)
    with pytest.raises(ValueError, match="y must hold one-hot rows, got rows with several ones"):
        draw(modern(), x, np.ones((4, 10)))
    with pytest.raises(ValueError, match="one-hot rows, got rows of other values"):
        draw(modern(), x, np.full((4, 10), 0.1))


@pytest.mark.parametrize("draw", [plots.confusion_matrix, plots.mistakes])
def test_outputs_that_are_not_finite_are_no_answers(draw):
    x, y = digits(4)
    x = x.astype(np.float32)
    x[1, 3, 3] = np.nan
    with pytest.raises(ValueError, match="model must give finite outputs .* for 1 of 4 images"):
        draw(modern(), x, y)


# Inside


def spoilt(place):
    """modern() with a NaN among the weights of a layer."""
    model = modern()
    kernel, bias = model.get_layer(place).get_weights()
    kernel[..., 1] = np.nan
    model.get_layer(place).set_weights([kernel, bias])
    return model


def test_filters_that_are_not_finite_are_empty_and_the_caption_says_so():
    ax = plots.filters(spoilt("conv2d"))
    assert "Empty: NaN or infinity." in caption(ax)
    ax.figure.savefig(io.BytesIO())
    assert "Empty" not in caption(plots.filters(modern()))


def test_feature_maps_name_the_first_layer_that_is_not_finite():
    ax = plots.feature_maps(spoilt("conv2d_1"), digits()[0][0])
    assert "make of one image. Blue" in caption(ax)
    assert "Empty: NaN or infinity, of conv2d_1 first." in caption(ax)
    ax.figure.savefig(io.BytesIO())
    assert "Empty" not in caption(plots.feature_maps(modern(), digits()[0][0]))


def drawn_filters(ax, size=5):
    """The filters as drawn, (rows, columns, size, size), masked where there is none."""
    values, _ = (image.get_array() for image in ax.images)
    rows, columns = (length // (size + 1) for length in values.shape)
    cells = values.reshape(rows, size + 1, columns, size + 1).transpose(0, 2, 1, 3)
    assert np.ma.getmaskarray(cells)[:, :, size].all()
    assert np.ma.getmaskarray(cells)[:, :, :, size].all()
    return cells[:, :, :size, :size]


def test_filters_are_the_kernel_on_one_scale():
    model = modern()
    kernel = model.get_layer("conv2d_1").kernel
    ax = plots.filters(model, layer=3)
    most = np.abs(kernel).max()
    found = drawn_filters(ax)
    assert not np.ma.getmaskarray(found).any()
    np.testing.assert_array_equal(found, kernel.transpose(2, 3, 0, 1))
    assert [image.get_clim() for image in ax.images] == [(-most, most), (-1, 1)]
    assert texts(ax)[-3:] == [f"{-most:.3g}", "0", f"{most:.3g}"]
    assert drawn_filters(plots.filters(model)).shape == (1, 6, 5, 5)


def test_filters_of_1998_are_drawn_where_there_is_a_connection():
    model = lenet_1998()
    layer = model.get_layer("c3")
    found = drawn_filters(plots.filters(model, layer="c3"))
    links = [(row, o) for row in range(6) for o in range(16) if row in layer.connections[o]]
    there = ~np.ma.getmaskarray(found)[:, :, 0, 0]
    assert list(zip(*np.nonzero(there), strict=True)) == links
    np.testing.assert_array_equal(found[there], np.moveaxis(layer.kernel, 2, 0))


def test_of_many_filters_some_are_drawn_and_the_caption_says_so():
    ax = plots.filters(lenet_1998(), layer="c5")
    np.testing.assert_array_equal(
        drawn_filters(ax), lenet_1998().get_layer("c5").kernel.transpose(2, 3, 0, 1)[:16, :32]
    )
    assert caption(ax).endswith("Shown: 32 filters, 16 channels.")


def test_only_convolutions_have_filters():
    with pytest.raises(ValueError, match=r"layer must be a Conv2D, \['conv2d', 'conv2d_1'\]"):
        plots.filters(modern(), layer="dense")
    with pytest.raises(ValueError, match="model must have a Conv2D"):
        plots.filters(models.Sequential([layers.Dense(2, input_shape=(3,))]))


@pytest.mark.parametrize("draw", [plots.filters, plots.connections])
def test_a_layer_that_is_not_there_is_named(draw):
    with pytest.raises(ValueError, match=r"layer must be one of \['padding', .*, got 'conv'"):
        draw(lenet_1998(), layer="conv")
    with pytest.raises(ValueError, match="layer must be below 10, the number of layers, got 99"):
        draw(lenet_1998(), layer=99)
    with pytest.raises(ValueError, match="layer must be an integer >= -10, got -11"):
        draw(lenet_1998(), layer=-11)


@pytest.mark.parametrize("make", [modern, lenet_1998])
def test_feature_maps_are_what_the_layers_give(make):
    model, image = make(), digits()[0][5]
    inside = pylenet.Model(model.inputs, [layer.output for layer in model.layers])
    ax = plots.feature_maps(model, image)
    first, *pictures, _ = ax.images
    np.testing.assert_array_equal(first.get_array(), image)
    pictures = iter(pictures)
    for layer, output in zip(model.layers, inside(image[None]), strict=True):
        values, most = output[0], np.abs(output).max()
        place = texts(ax).index(layer.name)
        assert texts(ax)[place + 1] == " x ".join(map(str, values.shape))
        assert texts(ax)[place + 2] == f"{values.min():.3g} to {values.max():.3g}"
        if values.ndim == 3 and values.shape[0] > 1:
            parts = list(np.moveaxis(values, 2, 0))
        elif layer is model.layers[-1]:
            parts = [value.reshape(1, 1) for value in values]
        else:
            parts = [values.reshape(1, -1)[:, i : i + 128] for i in range(0, values.size, 128)]
        for part in parts:
            picture = next(pictures)
            np.testing.assert_array_equal(picture.get_array(), part)
            assert picture.get_clim() == (-most, most)
    assert next(pictures, None) is None


def test_feature_maps_tell_the_answer_and_its_probability():
    (x, _), model = digits(), modern()
    outputs = model.predict(x[:1])[0]
    ax = plots.feature_maps(model, x[0])
    assert f"takes for {outputs.argmax()} (probability {outputs.max():.3f})" in caption(ax)
    for value in outputs:
        assert f"{value:.3f}" in texts(ax)
    for same in (x[:1], x[0, :, :, None]):
        np.testing.assert_array_equal(shown(plots.feature_maps(model, same))[5], shown(ax)[5])


def test_one_image_of_the_model_s_shape_is_asked_for():
    for wrong in (digits()[0][:2], np.zeros((27, 28)), np.float32(3)):
        with pytest.raises(ValueError, match=r"image must be one of shape \(28, 28, 1\), got"):
            plots.feature_maps(modern(), wrong)


# Images


def test_images_stand_under_their_labels():
    x, y = digits()
    ax = plots.images(x, y, class_names=list("abcdefghij"), most=12)
    for picture, image in zip(shown(ax), x[:12], strict=True):
        np.testing.assert_array_equal(picture, image)
    assert texts(ax) == ["abcdefghij"[label] for label in y[:12]]
    assert caption(ax) == "The first 12 of 40 images, each under its label."
    assert texts(plots.images(x, utils.to_categorical(y), most=3)) == ["0", "1", "2"]
    assert texts(plots.images(x)) == []


@pytest.mark.filterwarnings("ignore:x looks scaled already")  # of bool
@pytest.mark.parametrize("dtype", [np.int64, bool, np.uint16, np.float16, ">f4"])
def test_pictures_may_be_of_any_numbers_that_predict_takes(dtype):
    (x, y), model = digits(), modern()
    x = x > 0 if dtype is bool else x
    given, drawn = x.astype(dtype), x.astype(np.float32)
    ax = plots.images(given, most=3)
    for image, picture in zip(ax.images, drawn, strict=False):
        np.testing.assert_array_equal(image.get_array(), picture)
        assert image.get_clim() == (0, 1 if dtype is bool else 255)
    for draw in (
        lambda x: plots.mistakes(model, x, y),
        lambda x: plots.confusion_matrix(model, x, y),
        lambda x: plots.feature_maps(model, x[0]),
        lambda x: plots.augmented(distortion(), x, epochs=2),
    ):
        same = zip(shown(draw(given)), shown(draw(drawn)), strict=True)
        assert all(np.array_equal(one, other) for one, other in same)


def test_what_cannot_be_drawn_is_refused_before_the_model_answers():
    model = models.Sequential([layers.Dense(2, input_shape=(5,))])
    model.predict = None
    with pytest.raises(ValueError, match=r"x must hold images .* got shape \(1, 5\)"):
        plots.mistakes(model, np.zeros((4, 5)), [0, 1, 0, 1])


def test_images_may_be_flat_or_have_channels():
    x = np.random.default_rng(0).random((3, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(shown(plots.images(x))[1], x[1] / x.max(), rtol=1e-6)
    grey = x[..., :1]
    for same in (grey, grey[..., 0], grey.reshape(3, 16)):
        np.testing.assert_array_equal(shown(plots.images(same))[1], grey[1, ..., 0])
    with pytest.raises(ValueError, match="x must hold images"):
        plots.images(np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match="most must be an integer >= 1, got 0"):
        plots.images(x, most=0)


def test_augmented_shows_what_training_sees():
    x, distort = digits()[0], distortion()
    found = np.array(shown(plots.augmented(distort, x, epochs=3, most=2))).reshape(2, 4, 28, 28)
    np.testing.assert_array_equal(found[:, 0], x[:2])
    for epoch in range(3):
        np.testing.assert_array_equal(found[:, epoch + 1], distort(x, epoch=epoch)[:2])
    with pytest.raises(TypeError, match=r"distort must be an augmentation.RandomAffine"):
        plots.augmented(None, x)


# 1998


def test_codes_are_the_bitmaps_of_the_last_layer():
    model = lenet_1998()
    found = shown(plots.codes(model))
    rows = [["".join("#" if v > 0 else "." for v in row) for row in code] for code in found]
    assert ["  ".join(line) for line in zip(*rows, strict=True)] == model.layers[-1].pictures()
    with pytest.raises(ValueError, match="model must have an RBF layer with a code_shape"):
        plots.codes(modern())


def test_connections_are_crosses_at_filter_and_map():
    model = lenet_1998()
    (crosses,) = plots.connections(model).lines
    links = [(o, i) for o, maps in enumerate(model.get_layer("c3").connections) for i in maps]
    assert list(map(tuple, crosses.get_xydata().astype(int))) == links
    for wrong in ({"model": modern()}, {"model": model, "layer": "c1"}):
        with pytest.raises(ValueError, match="model must have connections in"):
            plots.connections(**wrong)


# pylenet train --plots


def test_train_writes_plots_of_what_it_trained_beside_the_models(tmp_path, monkeypatch, capsys):
    x, y = digits(60)
    data = (x, y.astype(np.uint8))
    monkeypatch.setitem(cli._data.KNOWN, "mnist", lambda: (data, data))
    out = tmp_path / "out"
    arguments = ["--model", "1998", "--distort", "--epochs", "1", "--plots", "--out", str(out)]
    assert cli.main(["train", *arguments]) == 0
    names = ["augmented", "codes", "confusion-matrix", "connections", "feature-maps", "mistakes"]
    names = [f"1998-{name}" for name in [*names, *(f"filters-c{i}" for i in (1, 3, 5))]]
    names += ["learning-curves", "training-images"]
    there = {path.name for path in out.iterdir()}
    expected = {f"{name}.{form}" for name in names for form in ("png", "svg")}
    assert there == expected | {"1998.safetensors", "results.json"}
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{name}.svg").read_bytes().startswith(b"<?xml")
    assert set(capsys.readouterr().out.split("as .png and .svg: ")[1].strip().split(", ")) == set(
        names
    )


def test_a_plot_of_the_same_values_has_the_same_bytes(tmp_path):
    files = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        _plots._write(folder, "codes", CASES["codes"]())
        files.append([(folder / f"codes{suffix}").read_bytes() for suffix in _plots.SUFFIXES])
    assert files[0] == files[1]


def test_the_lines_of_docs_plots_md_draw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = digits(100)
    monkeypatch.setattr(pylenet.datasets.mnist, "load_data", lambda: ((x, y), (x, y)))
    text = (Path(__file__).parents[2] / "docs" / "plots.md").read_text(encoding="utf-8")
    block, window = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, names := {})
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "maps.svg").read_bytes().startswith(b"<?xml")
    assert "pyplot.show()" in window
    figure = Figure()
    pyplot = SimpleNamespace(
        subplots=lambda figsize: (figure, figure.subplots()), show=figure.canvas.draw
    )
    exec(window.split("\n\n")[1], names | {"pyplot": pyplot})
    assert len(re.findall(r"^\| `(\w+)\(", text, re.MULTILINE)) == len(plots.__all__)
