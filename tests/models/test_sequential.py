"""Sequential: building, naming, evaluating, compiling, and what does not fit together."""

import copy
import pickle
import re

import numpy as np
import pytest
from nets import (
    LENETS,
    compiled,
    cross_entropy_from_logits,
    digits,
    forward,
    one_hot,
    samples,
    tiny,
)
from notebook import html_rows
from tolerance import assert_same_bits

import pylenet
from pylenet import layers, losses, metrics, optimizers
from pylenet.layers import AveragePooling2D, Conv2D, Dense, Flatten, Input, MaxPooling2D
from pylenet.models import Sequential, lenet5_modern
from pylenet.utils import set_random_seed

# Building


def test_a_list_of_layers_and_adding_them_one_by_one_are_the_same():
    set_random_seed(3)
    at_once = Sequential([Conv2D(3, 3, input_shape=(6, 6, 1)), Flatten(), Dense(4)])
    set_random_seed(3)
    stepwise = Sequential()
    for layer in (Conv2D(3, 3, input_shape=(6, 6, 1)), Flatten(), Dense(4)):
        stepwise.add(layer)
    assert_same_bits(tuple(stepwise.get_weights()), tuple(at_once.get_weights()))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Sequential([Input((6, 5, 2)), Conv2D(3, 3), Flatten()]),
        lambda: Sequential([Input(shape=[6, 5, 2]), Conv2D(3, 3), Flatten()]),
        lambda: Sequential([Conv2D(3, 3, input_shape=(6, 5, 2)), Flatten()]),
        lambda: built(Sequential([Conv2D(3, 3), Flatten()]), (6, 5, 2)),
        lambda: built(Sequential([Conv2D(3, 3), Flatten()]), (None, 6, 5, 2)),
        lambda: predicted(Sequential([Conv2D(3, 3), Flatten()]), np.ones((1, 6, 5, 2))),
    ],
    ids=["Input", "list", "input_shape", "build", "build-None", "predict"],
)
def test_the_input_shape_may_be_told_in_many_ways(build):
    model = build()
    assert model.built
    assert model.input_shape == (None, 6, 5, 2)
    assert model.output_shape == (None, 36)
    assert [w.shape for w in model.weights] == [(3, 3, 2, 3), (3,)]
    assert model.count_params() == 57


def built(model, shape):
    model.build(shape)
    return model


def predicted(model, x):
    model.predict(x)
    return model


def test_a_model_without_input_shape_says_so():
    model = Sequential([Dense(3)])
    assert not model.built
    for use in (
        lambda: model.weights,
        model.get_weights,
        model.count_params,
        lambda: model.input_shape,
        lambda: model.output_shape,
        lambda: model.set_weights([]),
        lambda: model.save("model"),
    ):
        with pytest.raises(ValueError, match="'sequential' does not know its input shape yet"):
            use()


def test_a_model_without_layers_cannot_be_used():
    for model in (Sequential(), Sequential([Input((4,))])):
        with pytest.raises(ValueError, match="has no layers: add some first|input shape"):
            model.predict(np.ones((2, 4)))


@pytest.mark.parametrize("x", ["abc", [[1.0, 2.0]], 3, np.ones((2, 5), complex), np.array(["a"])])
def test_what_is_no_image_does_not_fix_the_shape_of_a_model(x):
    model = Sequential([Dense(3)])
    with pytest.raises(TypeError, match="x must"):
        model.predict(x)
    assert not model.built


def test_adding_a_layer_keeps_the_weights_there_are():
    model = Sequential([Dense(5, input_shape=(3,))])
    former = model.get_weights()
    model.add(Dense(2))
    assert [w.shape for w in model.weights] == [(3, 5), (5,), (5, 2), (2,)]
    assert_same_bits(tuple(model.get_weights()[:2]), tuple(former))
    model.layers[0].kernel[:] = 0
    assert not model.get_weights()[0].any()


def test_layers_are_named_by_class_and_number_unless_they_have_names():
    model = Sequential(
        [
            Conv2D(1, 1, input_shape=(4, 4, 1)),
            MaxPooling2D(1),
            Conv2D(1, 1, name="conv2d_1"),
            Conv2D(1, 1),
            AveragePooling2D(1),
            Flatten(),
            Dense(2, name="logits"),
            Dense(2),
        ]
    )
    assert [layer.name for layer in model.layers] == [
        "conv2d",
        "max_pooling2d",
        "conv2d_1",
        "conv2d_2",
        "average_pooling2d",
        "flatten",
        "logits",
        "dense_1",
    ]


def test_two_layers_of_one_name_are_refused():
    model = Sequential([Dense(2, name="a", input_shape=(2,))])
    with pytest.raises(ValueError, match="name must be unique in a model, got 'a' twice"):
        model.add(Dense(2, name="a"))


@pytest.mark.parametrize("wrong", [3, "Dense", Dense, None, losses.MeanSquaredError()])
def test_what_is_no_layer_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="layer must be a pylenet layer, or a model, got"):
        Sequential().add(wrong)


@pytest.mark.parametrize("wrong", [3, "Dense", Dense(2), {Dense(2): 1}])
def test_what_is_no_list_of_layers_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="layers must be a list"):
        Sequential(wrong)


def test_the_input_comes_first_and_once():
    for start in ([Dense(2, input_shape=(2,))], [Dense(2)], [Input((2,))]):
        with pytest.raises(ValueError, match="layer must not be Input unless it is the first"):
            Sequential([*start, Input((2,))])


def test_shapes_that_contradict_are_an_error():
    with pytest.raises(ValueError, match=r"input_shape must be \(2,\) here, got \(3,\)"):
        Sequential([Input((2,)), Dense(2, input_shape=(3,))])
    with pytest.raises(ValueError, match=r"input_shape must be \(4,\) here, got \(3,\)"):
        Sequential([Input((2,)), Dense(4), Dense(2, input_shape=(3,))])
    with pytest.raises(ValueError, match="input_shape must be given with the first layer"):
        Sequential([Dense(2), Dense(2, input_shape=(3,))])
    with pytest.raises(ValueError, match=r"input_shape must be \(2,\), got \(3,\)"):
        Sequential([Input((2,)), Dense(2)]).build((3,))


def test_a_layer_is_in_a_model_once():
    layer = Dense(2, input_shape=(2,))
    model = Sequential([layer])
    with pytest.raises(ValueError, match="layer must be in a model once, got Dense.* twice"):
        model.add(layer)


def test_a_layer_that_does_not_fit_changes_nothing():
    model = Sequential([Conv2D(2, 3, input_shape=(5, 5, 1))])
    former = model.get_weights()
    layer = Dense(3)
    with pytest.raises(ValueError, match="put a Flatten before it"):
        model.add(layer)
    assert len(model.layers) == 1
    assert layer.name is None
    assert_same_bits(tuple(model.get_weights()), tuple(former))
    model.add(Flatten())
    model.add(layer)
    assert layer.name == "dense"
    assert model.output_shape == (None, 3)


def test_a_notebook_shows_a_model_as_the_table_of_its_summary():
    lines = []
    model = lenet5_modern()
    model.summary(print_fn=lines.append)
    printed = [re.split("  +", line.strip()) for line in lines if "  " in line]
    assert html_rows(model) == printed
    assert f"{model.count_params():,} parameters" in model._repr_html_()


def test_a_notebook_shows_a_model_whose_input_shape_is_not_known():
    model = Sequential([Flatten(), Dense(3)], name="<m>")
    unknown = ["?", "?", "0 (unbuilt)", "?"]
    assert html_rows(model)[1:] == [["flatten (Flatten)", *unknown], ["dense (Dense)", *unknown]]
    assert "&lt;m&gt;" in model._repr_html_()


def test_a_summary_goes_line_by_line_to_print_fn_or_is_printed(capsys):
    model, lines = LENETS["modern"](), []
    model.summary(print_fn=lines.append)
    assert capsys.readouterr().out == ""
    text = "\n".join(lines)
    assert '"lenet5_modern"' in lines[0]
    for part in ("conv2d_1 (Conv2D)", "(None, 24, 24, 6)", "30,840", "44,426"):
        assert part in text
    model.summary()
    assert capsys.readouterr().out == text + "\n"


def summary_lines(model, *arguments):
    lines = []
    model.summary(*arguments, print_fn=lines.append)
    return lines


def test_a_summary_of_a_model_without_input_shape_shows_its_layers_as_keras_does():
    head, rule, _, _, *rows, _, total = summary_lines(Sequential([Flatten(), Dense(10)]))
    assert head == 'Model: "sequential"'
    assert [row.split() for row in rows] == [
        ["flatten", "(Flatten)", "?", "?", "0", "(unbuilt)", "?"],
        ["dense", "(Dense)", "?", "?", "0", "(unbuilt)", "?"],
    ]
    assert {len(row) for row in rows} == {len(rule)}
    assert total == "Total params: 0 (unbuilt)"
    assert summary_lines(Sequential())[-2:] == [
        "Total params: 0 (0.0 KiB)",
        "Total connections: 0",
    ]


@pytest.mark.parametrize("length", [65, 70, 100])
def test_a_summary_is_as_wide_as_it_is_told(length):
    model = Sequential([Dense(10, name="a_layer_of_a_long_name", input_shape=(28,))])
    _, rule, head, _, row, *_ = summary_lines(model, length)
    assert {len(line) for line in (rule, head, row)} == {length}
    assert row.startswith("a_layer_of_a_long_name (Dense)" if length > 80 else "a_layer_of_")
    assert ("..." in row) == (length < 80)
    assert row.endswith("290          290")


def test_a_summary_too_narrow_is_an_error():
    model = tiny()
    with pytest.raises(ValueError, match=r"line_length must be at least \d+ here, got 20"):
        model.summary(20)
    with pytest.raises(TypeError, match="line_length must be an integer"):
        model.summary("80")


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_has_the_shapes_of_the_tutorials(name):
    model = LENETS[name]()
    assert [w.shape for w in model.weights] == [
        (5, 5, 1, 6),
        (6,),
        (5, 5, 6, 16),
        (16,),
        (256, 120),
        (120,),
        (120, 84),
        (84,),
        (84, 10),
        (10,),
    ]
    assert model.count_params() == 44_426
    assert model.name == f"lenet5_{name}"
    pool, activation = (MaxPooling2D, "relu") if name == "modern" else (AveragePooling2D, "tanh")
    assert sum(isinstance(layer, pool) for layer in model.layers) == 2
    named = [getattr(layer, "activation", None) for layer in model.layers]
    assert named == [None, activation, None, activation, None, None, *[activation] * 2, "softmax"]


# Evaluating


@pytest.mark.parametrize("n", [1, 15, 100, 4096, 4100])
def test_evaluate_gives_the_means_over_the_samples(n, isa):
    model = compiled(tiny, metrics=["accuracy"])
    x, y = samples(n, (4,), 3)
    x[::3] *= -1
    logits = np.log(forward(model, x))
    loss, accuracy = model.evaluate(x, y)
    expected = cross_entropy_from_logits(one_hot(y, 3), logits).mean()
    assert loss == pytest.approx(expected, rel=1e-6)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == y).mean(), abs=1e-12)


def test_evaluate_does_not_depend_on_batch_size_or_threads(isa, threads_restored):
    model = compiled(LENETS["modern"], metrics=["accuracy"])
    x, y = digits(300)
    expected = model.evaluate(x, y)
    for batch_size, threads in ((1, 2), (128, 3), (10**6, 1)):
        pylenet.set_num_threads(threads)
        assert model.evaluate(x, y, batch_size=batch_size) == expected


def test_evaluate_gives_the_loss_alone_without_metrics():
    x, y = samples(9, (4,), 3)
    with_metrics = compiled(tiny, metrics=["accuracy"]).evaluate(x, y)
    alone = compiled(tiny).evaluate(x, y)
    assert isinstance(alone, float)
    assert with_metrics[0] == alone


@pytest.mark.parametrize("chosen", [["accuracy"], []], ids=str)
def test_results_are_given_by_name_when_a_dict_is_asked_for(chosen):
    model, x_y = compiled(tiny, metrics=chosen), samples(9, (4,), 3)
    for run in (model.evaluate, compiled(tiny, metrics=chosen).train_on_batch):
        found = run(*x_y, return_dict=True)
        assert list(found) == [*chosen, "loss"]
        listed = model.evaluate(*x_y)
        expected = listed if chosen else [listed]
        assert [found[name] for name in model.metrics_names] == pytest.approx(expected, rel=1e-6)
        with pytest.raises(TypeError, match="return_dict must be True or False"):
            run(*x_y, return_dict="yes")


def test_metrics_names_are_a_list_as_in_keras():
    assert tiny().metrics_names == ["loss"]
    assert compiled(tiny, metrics=["accuracy"]).metrics_names == ["loss", "accuracy"]


@pytest.mark.parametrize("metric", ["acc", metrics.SparseCategoricalAccuracy(name="hits")])
def test_a_metric_is_called_by_its_name(metric):
    model = compiled(tiny, metrics=[metric])
    name = metric if isinstance(metric, str) else metric.name
    assert tuple(model.metrics_names) == ("loss", name)
    x, y = samples(9, (4,), 3)
    assert list(model.fit(x, y, verbose=0).history) == [name, "loss"]


# Compiling


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"optimizer": "sgd"}, ValueError, "loss must be"),
        ({"optimizer": "sgd", "loss": "dice"}, ValueError, "loss must be one of .*got 'dice'"),
        ({"optimizer": "sgd", "loss": 3}, TypeError, "loss must be"),
        ({"loss": "mse", "optimizer": "lion"}, ValueError, "optimizer must be one of"),
        ({"loss": "mse", "optimizer": optimizers.SGD}, TypeError, "optimizer must be"),
        (
            {"optimizer": "sgd", "loss": "mse", "metrics": "accuracy"},
            TypeError,
            r"metrics must be a list",
        ),
        (
            {"optimizer": "sgd", "loss": "mse", "metrics": ["f1_score"]},
            ValueError,
            "metrics must be among.*'f1_score'",
        ),
        ({"optimizer": "sgd", "loss": "mse", "metrics": 3}, TypeError, "metrics must be a list"),
    ],
    ids=repr,
)
def test_a_wrong_argument_of_compile_is_named_and_changes_nothing(arguments, error, message):
    model = compiled(tiny)
    former = (model.loss, model.optimizer, model.metrics_names)
    with pytest.raises(error, match=message):
        model.compile(**arguments)
    assert (model.loss, model.optimizer, model.metrics_names) == former


SPARSE = "sparse_categorical_crossentropy"
LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)
MISMATCHES = [
    (lambda: [Dense(3, "softmax")], LOGITS, "from_logits=True, so the last layer must be linear"),
    (
        lambda: [Dense(3), layers.Activation("softmax")],
        losses.CategoricalCrossentropy(from_logits=True),
        "last layer must be linear, got 'softmax'",
    ),
    (lambda: [Dense(3, "sigmoid")], LOGITS, "last layer must be linear, got 'sigmoid'"),
    (lambda: [Dense(1, "sigmoid")], "categorical_crossentropy", "needs at least 2 outputs"),
    (lambda: [Dense(3)], SPARSE, "outputs must come from a softmax, got 'linear'.*negative"),
    (lambda: [Dense(3, "relu")], SPARSE, "outputs must come from a softmax, got 'relu'.*or all 0"),
    (lambda: [Dense(3, "tanh")], SPARSE, r"got 'tanh'.*SparseCategorical\w+\(from_logits=True\)"),
    (
        lambda: [Dense(3), layers.Activation("scaled_tanh"), layers.Activation("linear")],
        "categorical_crossentropy",
        r"'scaled_tanh'.*negative.* losses.CategoricalCrossentropy\(from_logits=True\)",
    ),
    (
        lambda: [Dense(3, "relu"), layers.Rescaling(2.0)],
        SPARSE,
        "outputs must come from a softmax, got 'relu'",
    ),
]


@pytest.mark.parametrize(("tail", "loss", "message"), MISMATCHES)
def test_a_loss_that_does_not_fit_the_last_layer_is_an_error(tail, loss, message):
    with pytest.raises(ValueError, match=message):
        Sequential([Input((4,)), *tail()]).compile("sgd", loss=loss)
    late = Sequential(tail())
    late.compile("sgd", loss=loss)
    with pytest.raises(ValueError, match=message):
        late.fit(np.ones((2, 4)), np.zeros(2, int), verbose=0)


def test_probabilities_of_pooled_maps_come_from_the_layer_below():
    maps = [Conv2D(3, 1, activation="relu"), layers.AveragePooling2D(4), layers.Flatten()]
    with pytest.raises(ValueError, match="outputs must come from a softmax, got 'relu'"):
        Sequential([Input((4, 4, 1)), *maps]).compile("sgd", SPARSE)


@pytest.mark.parametrize("loss", [SPARSE, losses.SparseCategoricalCrossentropy()], ids=str)
def test_a_sigmoid_under_a_loss_of_probabilities_is_warned_of_once_where_it_is_used(loss):
    model = Sequential([Input((4,)), Dense(3, "sigmoid")])
    model.compile("sgd", loss)
    x, y = np.ones((2, 4)), np.zeros(2, int)
    with pytest.warns(UserWarning, match="takes probabilities.*'sigmoid'.*'softmax'") as caught:
        model.fit(x, y, epochs=2, verbose=0)
    (warning,) = caught
    assert warning.filename == __file__
    model.fit(x, y, verbose=0)  # a second warning would be an error
    model.evaluate(x, y)
    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match="takes probabilities"):
        model.evaluate(x, y)


@pytest.mark.parametrize(
    "tail",
    [
        lambda: [Dense(3, "softmax")],
        lambda: [Dense(3), layers.Activation("softmax")],
        lambda: [Dense(3, "softmax"), layers.Activation("linear")],
        lambda: [Dense(3, "softmax"), layers.Rescaling(0.7, 0.1)],
    ],
)
def test_what_comes_from_a_softmax_is_taken_for_probabilities_without_a_word(tail):
    model = Sequential([Input((4,)), *tail()])
    model.compile("sgd", SPARSE)
    assert np.isfinite(model.train_on_batch(np.ones((2, 4)), np.zeros(2, int)))


def test_a_loss_on_images_is_an_error():
    model = Sequential([Conv2D(3, 3, input_shape=(5, 5, 1))])
    with pytest.raises(ValueError, match="loss needs flat output .*put a Flatten"):
        model.compile("sgd", loss="mse")


def test_a_model_that_is_not_compiled_says_so():
    model = tiny()
    x, y = samples(3, (4,), 3)
    for use in (model.evaluate, model.train_on_batch, model.fit):
        with pytest.raises(ValueError, match="'sequential' must be compiled first"):
            use(x, y)
    assert model.predict(x).shape == (3, 3)


def test_an_optimizer_serves_one_model():
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    x, y = samples(9, (4,), 3)
    compiled(tiny, optimizer).fit(x, y, verbose=0)
    other = compiled(tiny, optimizer)
    with pytest.raises(ValueError, match="optimizer"):
        other.fit(x, y, verbose=0)


def test_accuracy_of_one_output_is_that_of_yes_and_no():
    model = Sequential([Dense(1, input_shape=(1,))])
    model.compile("sgd", loss="mse", metrics=["accuracy"])
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    x = np.array([[0.0], [0.4], [0.5], [0.6], [7.0]])
    assert model.evaluate(x, [0, 1, 0, 1, 1])[1] == pytest.approx(0.8)
    assert model.evaluate(x, [0, 0, 1, 1, 0.5])[1] == pytest.approx(0.6)


def test_an_optimizer_must_be_named():
    with pytest.raises(ValueError, match="optimizer must be one of"):
        tiny().compile(loss="mse")


@pytest.mark.parametrize("names", [["accuracy", "accuracy"], [metrics.CategoricalAccuracy("loss")]])
def test_metrics_must_have_names_of_their_own(names):
    with pytest.raises(ValueError, match="metrics must have names of their own"):
        tiny().compile("sgd", "mse", metrics=names)


def test_a_layer_in_a_model_cannot_be_changed_behind_its_back():
    model = Sequential([Dense(3, "softmax", input_shape=(2,))])
    with pytest.raises(AttributeError, match="activation of a layer in a model must stay"):
        model.layers[0].activation = "linear"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_or_pickle_is_a_model_of_its_own(copied):
    model = compiled(tiny, metrics=["accuracy"])
    other = copied(model)
    former = model.get_weights()
    x, y = samples(9, (4,), 3)
    assert_same_bits(other.predict(x), model.predict(x))
    other.fit(x, y, verbose=0)
    assert_same_bits(tuple(model.get_weights()), tuple(former))
    assert other.metrics_names == model.metrics_names


def test_the_last_fit_is_remembered():
    model = compiled(tiny)
    assert model.fit(*samples(9, (4,), 3), verbose=0) is model.history
