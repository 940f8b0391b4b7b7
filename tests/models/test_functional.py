"""Model(inputs, outputs): looking inside a model, and chains of layers that are called."""

import copy
import pickle
import threading

import numpy as np
import pytest
from nets import LENETS, compiled, samples, small, state, tiny
from tolerance import assert_same_bits

import pylenet
from pylenet import Model, Sequential, layers
from pylenet.layers import Activation, Conv2D, Dense, Flatten, Input, MaxPooling2D, Rescaling
from pylenet.models import lenet5_1998, load_model
from pylenet.utils import set_random_seed


def newer():
    """With what today's networks have besides LeNet's layers."""
    return Sequential(
        [
            Conv2D(4, 3, input_shape=(9, 8, 2)),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            Dense(5, "tanh"),
        ]
    )


BUILDS = {**LENETS, "1998": lenet5_1998, "small": small, "newer": newer}


def images(model, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *model.input_shape[1:])).astype(np.uint8)


def every_output(model):
    return Model(model.inputs, [layer.output for layer in model.layers])


# Layers found


def test_a_layer_is_found_by_name_or_place():
    model = LENETS["modern"]()
    assert model.get_layer("conv2d_1") is model.get_layer(index=3) is model.layers[3]
    assert model.get_layer(name="dense_2") is model.get_layer(index=-1) is model.layers[-1]
    assert model.get_layer("conv2d").kernel.shape == (5, 5, 1, 6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "name or index must be given, got name=None, index=None"),
        ({"name": "a", "index": 0}, ValueError, "name or index must be given"),
        ({"name": "conv"}, ValueError, r"name must be one of \['dense'\], got 'conv'"),
        ({"name": 3}, TypeError, "name must be a str"),
        ({"index": 1}, ValueError, "index must be below 1, the number of layers, got 1"),
        ({"index": -2}, ValueError, "index must be an integer >= -1, got -2"),
        ({"index": "0"}, TypeError, "index must be an integer"),
    ],
    ids=repr,
)
def test_a_layer_that_is_not_there_is_an_error(arguments, error, message):
    with pytest.raises(error, match=message):
        tiny().get_layer(**arguments)


# Looking inside


def copied_layers(model, first, end):
    """A model of its own of some layers, with their weights."""
    some = model.layers[first:end]
    copies = [type(layer).from_config(layer.get_config()) for layer in some]
    other = Sequential([Input(some[0].input_shape[1:]), *copies])
    other.set_weights([w for layer in some for w in layer.weights])
    return other


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("n", [1, 19])
def test_a_middle_output_is_that_of_the_first_layers_and_the_rest_makes_the_whole_of_it(
    name, n, isa, threads
):
    set_random_seed(2)
    model = BUILDS[name]()
    x, count = images(model, n), len(model.layers)
    whole, found = model.predict(x), every_output(model)(x)
    for end in range(1, count + 1):
        assert found[end - 1].shape == (n, *model.layers[end - 1].output_shape[1:])
        assert_same_bits(found[end - 1], copied_layers(model, 0, end).predict(x))
    for first in range(1, count):
        assert_same_bits(copied_layers(model, first, count).predict(found[first - 1]), whole)
    assert_same_bits(found[-1], whole)


def test_what_an_activation_layer_gets_is_seen_before_it():
    model = Sequential([Dense(3, input_shape=(4,)), Activation("tanh")])
    model.set_weights([np.full((4, 3), 10.0), np.zeros(3)])
    x, _ = samples(5, (4,), 3)
    before, after = every_output(model)(x)
    assert np.abs(before).max() > 1 >= np.abs(after).max()


def test_one_output_is_an_array_and_a_list_gives_a_list():
    model = small()
    x = images(model, 3)
    layer = model.get_layer("flatten")
    alone = Model(model.inputs, layer.output)
    (listed,) = Model(inputs=model.input, outputs=[layer.output]).predict(x)
    assert_same_bits(alone.predict(x), listed)
    assert_same_bits(alone.predict_on_batch(x), listed)
    assert_same_bits(alone(x), listed)
    assert (alone.input_shape, alone.output_shape) == ((None, 8, 7, 2), (None, 15))
    assert Model(model.input, [layer.output] * 2).output_shape == [(None, 15)] * 2
    assert alone.layers == model.layers[:4]
    assert alone.get_layer("conv2d") is model.layers[0]
    assert alone.count_params() == sum(w.size for w in alone.weights) == 57 + 95
    assert Model(model.inputs, model.output).predict(x).shape == (3, 4)


def test_the_weights_are_the_model_s_live_also_while_layers_are_added():
    model = compiled(small)
    x, y = samples(40, (8, 7, 2), 4)
    inside = every_output(model)
    before = inside.predict(x)
    model.fit(x, y, verbose=0)
    after = inside.predict(x)
    assert not np.array_equal(before[0], after[0])
    assert_same_bits(after[-1], model.predict(x))
    for n in range(20):
        model.add(Dense(50, name=f"more{n}"))
    assert_same_bits(inside.predict(x)[-1], after[-1])
    model.get_layer("conv2d").kernel[:] = 0
    model.get_layer("conv2d").bias[:] = 0
    assert not inside.predict(x)[0].any()


def test_all_outputs_are_of_one_step_while_another_thread_sets_weights():
    model = Sequential([Dense(64, use_bias=False, input_shape=(64,)), Dense(64, use_bias=False)])
    x, inside, torn, stop = np.ones((1, 64), np.float32), every_output(model), [], threading.Event()

    def write():
        value = 0
        while not stop.is_set():
            value = (value + 1) % 7
            model.set_weights([np.full((64, 64), value, np.float32)] * 2)

    model.set_weights([np.zeros((64, 64))] * 2)
    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(300):
        first, second = inside.predict(x)
        value = first[0, 0] / 64
        torn += (
            [] if (first == 64 * value).all() and (second == 64**2 * value**2).all() else [first]
        )
    stop.set()
    writer.join()
    assert torn == []


def test_more_samples_than_a_call_takes_and_verbose_are_as_in_predict(capsys):
    model = tiny()
    x, _ = samples(9000, (4,), 3)
    inside = Model(model.inputs, model.output)
    assert_same_bits(inside.predict(x, batch_size=7, verbose=2), model.predict(x))
    assert capsys.readouterr().out.startswith("1/1 - ")
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1"):
        inside.predict(x, batch_size=0)
    with pytest.raises(ValueError, match=r"x must have shape \(N, 4,\), got \(2, 5\)"):
        inside.predict(np.ones((2, 5)))


def test_a_model_called_gives_what_predict_gives():
    model = small()
    x = images(model, 3)
    assert_same_bits(model(x), model.predict(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_weights_of_its_own(copied):
    model = small()
    x = images(model, 3)
    for outputs in (model.layers[0].output, [layer.output for layer in model.layers]):
        inside = Model(model.inputs, outputs, name="inside")
        former = inside.predict(x)
        other = copied(inside)
        other.layers[0].kernel[:] = 0
        assert other.name == "inside"
        assert_same_bits(tuple(inside.predict(x)), tuple(former))
        assert not np.array_equal(other.predict(x)[0], former[0])


def test_a_summary_of_a_part_shows_the_layers_up_to_its_end():
    model, lines = small(), []
    Model(model.inputs, model.layers[2].output, name="part").summary(print_fn=lines.append)
    assert lines[0] == 'Model: "part"'
    assert [line.split()[0] for line in lines[4:-3]] == ["conv2d", "max_pooling2d", "conv2d_1"]


def test_the_model_is_not_kept_alive_by_its_layers(run_python):
    """Nor by a cycle: its memory is free at once."""
    code = """
import gc, weakref
gc.disable()
from pylenet import Model, models
model = models.lenet5_modern()
inside = Model(model.inputs, [layer.output for layer in model.layers])
dead, kept = weakref.ref(model), model.layers[0]
del inside, model
assert dead() is None
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


# Layers called one on the other


def called(x, *chain):
    for layer in chain:
        x = layer(x)
    return x


def lenet_layers():
    return [
        Rescaling(1 / 255),
        Conv2D(3, 5, activation="relu"),
        MaxPooling2D(4),
        Flatten(),
        Dense(10, "softmax"),
    ]


def test_layers_called_one_on_the_other_are_a_sequential(tmp_path):
    set_random_seed(1)
    inputs = Input((28, 28, 1))
    model = Model(inputs, called(inputs, *lenet_layers()), name="chain")
    set_random_seed(1)
    expected = Sequential([Input((28, 28, 1)), *lenet_layers()], name="chain")
    assert isinstance(model, Sequential)
    assert_same_bits(state(model), state(expected))
    x, y = images(model, 40), np.arange(40) % 10
    for each in (model, expected):
        each.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        set_random_seed(2)
        each.fit(x, y, epochs=2, verbose=0)
    assert_same_bits(state(model), state(expected))
    model.save(tmp_path / "m")
    assert_same_bits(load_model(tmp_path / "m").predict(x), expected.predict(x))


def test_a_called_layer_tells_the_shape_at_once():
    inputs = Input((28, 28, 1))
    assert inputs.shape == (None, 28, 28, 1)
    assert repr(inputs) == "Input(shape=(28, 28, 1))"
    shapes = []
    x = inputs
    for layer in lenet_layers():
        x = layer(x)
        shapes.append(x.shape[1:])
    model = Model(inputs, x)
    assert shapes == [layer.output_shape[1:] for layer in model.layers]
    assert [layer.output.shape[1:] for layer in model.layers] == shapes
    with pytest.raises(ValueError, match="put a Flatten before it"):
        Dense(3)(inputs)
    with pytest.raises(ValueError, match=r"input_shape must be \(28, 28, 1\) here, got \(4,\)"):
        Dense(3, input_shape=(4,))(inputs)


def test_what_was_kept_of_a_chain_looks_inside_it():
    inputs = Input((28, 28, 1))
    maps = called(inputs, *lenet_layers()[:3])
    model = Model([inputs], [called(maps, *lenet_layers()[3:])])
    assert isinstance(model, Sequential)
    x = images(model, 3)
    expected = Model(model.inputs, model.layers[2].output).predict(x)
    assert_same_bits(Model(inputs, maps).predict(x), expected)
    assert_same_bits(Model(inputs, model.layers[2].output).predict(x), expected)
    both = Model(inputs, [maps, model.output])
    assert_same_bits(tuple(both.predict(x)), (expected, model.predict(x)))


def test_several_outputs_of_new_layers_look_inside_a_new_model():
    inputs = Input((4,))
    hidden = Dense(5, "relu")(inputs)
    both = Model(inputs, [hidden, Dense(3)(hidden)])
    x, _ = samples(6, (4,), 3)
    first, second = both.predict(x)
    assert (first.shape, second.shape) == ((6, 5), (6, 3))


def test_two_chains_from_one_input_are_two_models():
    inputs = Input((4,))
    one, other = Model(inputs, Dense(2)(inputs)), Model(inputs, Dense(3)(inputs))
    assert (one.output_shape, other.output_shape) == ((None, 2), (None, 3))


def branch():
    inputs = Input((4,))
    hidden = Dense(5)(inputs)
    return inputs, [Dense(2)(hidden), Dense(3)(hidden)]


def test_a_graph_that_branches_is_an_error_and_uses_up_no_layer():
    inputs, (one, other) = branch()
    with pytest.raises(ValueError, match=r"outputs must be of one chain .*branches is not supp"):
        Model(inputs, [one, other])
    assert Model(inputs, one).output_shape == (None, 2)
    with pytest.raises(TypeError, match="what one other layer gives .*branches is not .*got list"):
        Dense(3)([one, other])


def test_a_layer_is_called_once_in_a_model():
    inputs, layer = Input((4,)), Dense(4)
    with pytest.raises(ValueError, match="layers must be called once in a model, got Dense.*twice"):
        Model(inputs, layer(layer(inputs)))
    assert Model(inputs, layer(inputs)).layers == (layer,)


X, OTHER = np.ones((1, 4)), small()


@pytest.mark.parametrize(
    ("inputs", "outputs", "error", "message"),
    [
        (X, None, TypeError, "inputs must be an Input, what a layer gives, or a list of these"),
        ([], None, ValueError, r"inputs must not be empty, got \[\]"),
        (OTHER.outputs, None, ValueError, "outputs must come from inputs, <SymbolicTensor of sh"),
        (OTHER.inputs * 2, None, ValueError, "inputs must be one Input"),
        (OTHER.inputs, None, ValueError, "outputs must come from inputs, Input.*got one from Inp"),
        (Input((4,)), None, ValueError, "outputs must come from inputs"),
        (None, Dense(3), TypeError, "outputs must be an Input, what a layer gives, or a list"),
        (None, [], ValueError, "outputs must not be empty"),
        (None, OTHER.outputs, ValueError, "outputs must come from inputs"),
        (None, OTHER.inputs, ValueError, "outputs must come from inputs"),
        (OTHER.inputs, OTHER.inputs, ValueError, "outputs must be of one chain of layers from inp"),
    ],
)
def test_what_is_no_input_or_output_is_an_error(inputs, outputs, error, message):
    model = tiny()
    with pytest.raises(error, match=message):
        Model(
            model.inputs if inputs is None else inputs,
            model.outputs if outputs is None else outputs,
        )


def test_a_model_s_name_is_a_text():
    model = tiny()
    with pytest.raises(TypeError, match="name must be a str"):
        Model(model.inputs, model.outputs, name=3)


def test_layers_and_models_without_a_shape_have_no_output_yet():
    with pytest.raises(ValueError, match="has no shape yet: add it to a model"):
        Dense(3).output  # noqa: B018
    for use in (lambda m: m.inputs, lambda m: m.input):
        with pytest.raises(ValueError, match="does not know its input shape yet"):
            use(Sequential([Dense(3)]))
    with pytest.raises(TypeError, match=r"inputs must be an Input .* got ndarray"):
        Dense(3)(X)


def test_keras_s_names_are_there():
    assert pylenet.models.Model is pylenet.Model
    assert issubclass(layers.Input, layers._base.SymbolicTensor)
