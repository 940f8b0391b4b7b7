"""A model as a class of one's own: layers in its constructor, a chain of them in `call`."""

import pickle

import numpy as np
import pytest
from nets import samples
from tolerance import assert_same_bits

import pylenet
from pylenet import activations, layers
from pylenet.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from pylenet.models import Model, Sequential, load_model
from pylenet.utils import set_random_seed

X, Y = samples(40, (8, 7, 2), 4)


class Net(pylenet.Model):
    """A small LeNet."""

    def __init__(self, units=6, **common):
        super().__init__(**common)
        self.out = Dense(4, activation="softmax")
        self.conv1 = Conv2D(3, 3)
        self.pool = MaxPooling2D()
        self.flatten = Flatten()
        self.dropout = Dropout(0.25, seed=1)
        self.hidden = Dense(units, activation="tanh")

    def call(self, inputs, training=False):
        x = self.pool(activations.relu(self.conv1(inputs)))
        x = self.hidden(self.flatten(x))
        return self.out(self.dropout(x, training=training))


def sequential():
    return Sequential(
        [
            *(Conv2D(3, 3), layers.ReLU(), MaxPooling2D(), Flatten(), Dense(6, "tanh")),
            *(Dropout(0.25, seed=1), Dense(4, "softmax")),
        ]
    )


def trained(make):
    set_random_seed(3)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, 16, 2, 0)
    return model


def test_it_trains_to_the_bits_of_a_sequential_of_its_layers():
    net, model = trained(Net), trained(sequential)
    assert_same_bits(tuple(net.get_weights()), tuple(model.get_weights()))
    assert_same_bits(net.predict(X), model.predict(X))
    assert_same_bits(net(X), net.predict(X))
    assert net.evaluate(X, Y) == model.evaluate(X, Y)
    assert [type(layer) for layer in net.layers] == [type(layer) for layer in model.layers]


def test_it_is_of_its_class_a_model_and_a_sequential():
    net = Net(units=9, name="mine")
    assert isinstance(net, Net)
    assert isinstance(net, Model)
    assert isinstance(net, Sequential)
    assert (net.name, Net().name) == ("mine", "net")
    assert type(net).__name__ == "Net"
    assert "Net 'mine'" in repr(net)
    net.build((None, 8, 7, 2))
    assert net.hidden.units == 9
    assert net.get_layer(index=0) is net.conv1
    assert net.conv1.kernel.shape == (3, 3, 2, 3)
    features = Model(net.inputs, net.pool.output).predict(X)
    assert features.shape == (40, 3, 2, 3)


def test_a_symbolic_input_shows_its_layers_to_another_model():
    inputs = Input((8, 7, 2))
    model = Model(inputs, Net()(inputs))
    assert type(model) is Sequential
    assert model.predict(X).shape == (40, 4)


def test_it_is_saved_as_the_chain_that_it_is(tmp_path):
    net = trained(Net)
    net.save(tmp_path / "net.safetensors")
    for again in (load_model(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))):
        assert_same_bits(again.predict(X), net.predict(X))


def test_a_subclass_may_be_made_of_inputs_and_outputs():
    class Functional(Model):
        def __init__(self):
            inputs = Input((8, 7, 2))
            outputs = Dense(4, "softmax")(Flatten()(inputs))
            super().__init__(inputs=inputs, outputs=outputs)

    model = Functional()
    assert model.built
    assert trained(Functional).predict(X).shape == (40, 4)


def of(function):
    """A model of a class whose `call` is this function of two layers and its inputs."""

    class Wrong(Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = Dense(3), Dense(3)

        def call(self, inputs):
            return function(self.first, self.second, inputs)

    return Wrong()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda a, b, x: a(x) + b(x), TypeError, "a graph that branches, or arithmetic between"),
        (lambda a, b, x: 2 * a(x), TypeError, "a graph that branches, or arithmetic between"),
        (lambda a, b, x: a([x, x]), TypeError, "a graph that branches is not supported"),
        (lambda a, b, x: a(a(x)), ValueError, "layers must be called once in a model"),
        (lambda a, b, x: b(Input((3,))), ValueError, "outputs must come from inputs"),
        (lambda a, b, x: [a(x), b(x)], TypeError, "Wrong must give what its last layer gives"),
        (lambda a, b, x: None, TypeError, "Wrong must give what its last layer gives"),
    ],
)
def test_what_is_no_chain_of_layers_is_an_error_that_says_so(function, error, message):
    model = of(function)
    model.compile("sgd", "mse")
    with pytest.raises(error, match=message):
        model.fit(np.ones((4, 3), np.float32), np.ones((4, 3)), verbose=0)
    assert model.layers == ()


def test_a_class_without_call_and_one_that_takes_over_training_are_refused():
    class Empty(Model):
        pass

    with pytest.raises(TypeError, match=r"Empty must have a method call\(self, inputs\)"):
        Empty().build((3,))
    with pytest.raises(TypeError, match="Own must not have a method train_step"):

        class Own(Model):
            def train_step(self, data):
                pass


def test_the_constructor_of_model_may_be_called_by_its_name():
    class Old(Model):
        def __init__(self):
            pylenet.Model.__init__(self, name="old")
            self.out = Dense(4)

        def call(self, inputs):
            return self.out(inputs)

    model = Old()
    model.build((3,))
    assert model.name == "old"
    assert len(model.layers) == 1


class Asked(Net):
    """Net, whose `call` asks for itself whether it is training."""

    def call(self, inputs, training=None):
        x = self.pool(activations.relu(self.conv1(inputs)))
        x = self.hidden(self.flatten(x))
        if training:
            x = self.dropout(x, training=training)
        return self.out(x)


class Around(Net):
    """A net in another one's `call`."""

    def __init__(self):
        super().__init__()
        self.inner = Asked()

    def call(self, inputs, training):
        return self.inner(inputs, training=training)


@pytest.mark.parametrize("make", [Asked, Around])
def test_a_dropout_that_is_applied_in_training_alone_is_in_the_chain(make):
    net = trained(make)
    assert [layer.kind for layer in net.layers].count("dropout") == 1
    assert_same_bits(net.predict(X), trained(sequential).predict(X))
    assert not net.outputs[0].training


def test_what_is_left_out_in_training_is_not_in_the_chain():
    class Late(Net):
        def call(self, inputs, training=None):
            x = self.flatten(inputs)
            return self.out(x if training else self.dropout(x))

    net = Late()
    net.build((8, 7, 2))
    assert [layer.kind for layer in net.layers] == ["flatten", "dense"]


@pytest.mark.parametrize("other", [lambda: Dense(4, "tanh"), lambda: Dense(4, "softmax")])
def test_a_call_that_predicts_by_other_layers_than_it_trains_is_refused(other):
    class Two(Net):
        def __init__(self):
            super().__init__()
            self.other = other()

        def call(self, inputs, training=None):
            return (self.out if training else self.other)(self.flatten(inputs))

    with pytest.raises(ValueError, match="Two.call must apply the same layers with training=True"):
        Two().build((8, 7, 2))


def test_a_layer_that_is_always_asked_to_train_is_refused_in_call():
    class Always(Net):
        def call(self, inputs, training=None):
            return self.out(self.dropout(self.flatten(inputs), training=True))

    with pytest.raises(ValueError, match="training must be None or False"):
        Always().build((8, 7, 2))


def test_activations_apply_to_what_layers_give():
    x = Input((6,))
    y = activations.softmax(activations.leaky_relu(activations.gelu(x, True), 0.1))
    model = Model(x, y)
    assert [type(layer).__name__ for layer in model.layers] == [
        "Activation",
        "LeakyReLU",
        "Softmax",
    ]
    assert model.layers[0].activation == "gelu_tanh"
