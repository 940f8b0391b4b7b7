"""Optimizers' arithmetic: each against float64 steps, clipping, moving averages; and its bits."""

import numpy as np
import pytest
from nets import LENETS, compiled, digits, state
from reference import float64
from tolerance import EPS, FMA, assert_same_bits

import pylenet
from pylenet import _core, layers, optimizers
from pylenet.models import Sequential

STEPS = 12


class Reference:
    """Updates in float64, from Keras's documentation and the papers: one weight array at a time."""

    def __init__(self, optimizer, weights):
        self.o, self.t = optimizer, 0
        first = {"accumulator": getattr(optimizer, "initial_accumulator_value", 0.0)}
        names = [name for name in optimizer.slot_names if name != "average"]
        self.slots = [{n: np.full(w.shape, first.get(n, 0.0)) for n in names} for w in weights]
        self.averages = [np.zeros(w.shape) for w in weights]

    def step(self, weights, gradients):
        """New weights, and the moving averages in `averages`."""
        self.t += 1
        o, new = self.o, []
        for w, g, s in zip(weights, self.clipped(gradients), self.slots, strict=True):
            w = w - w * (o.weight_decay or 0.0) * o.learning_rate
            new.append(w - getattr(self, o.kind)(g, s))
        if o.use_ema:
            m = o.ema_momentum if self.t > 1 else 0.0
            pairs = zip(self.averages, new, strict=True)
            self.averages = [m * a + (1 - m) * w for a, w in pairs]
            if o.ema_overwrite_frequency and self.t % o.ema_overwrite_frequency == 0:
                new = list(self.averages)
        return new

    def clipped(self, gradients):
        o = self.o
        if o.clipvalue is not None:
            return [np.clip(g, -o.clipvalue, o.clipvalue) for g in gradients]
        norms = [np.sqrt((g**2).sum()) for g in gradients]
        if o.clipnorm is not None:
            norms = [min(1.0, o.clipnorm / norm) for norm in norms]
        elif o.global_clipnorm is not None:
            norms = [min(1.0, o.global_clipnorm / np.linalg.norm(norms))] * len(norms)
        else:
            return gradients
        return [g * factor for g, factor in zip(gradients, norms, strict=True)]

    def sgd(self, g, s):
        if not self.o.momentum:
            return self.o.learning_rate * g
        s["momentum"] = self.o.momentum * s["momentum"] - self.o.learning_rate * g
        if self.o.nesterov:
            return self.o.learning_rate * g - self.o.momentum * s["momentum"]
        return -s["momentum"]

    def rmsprop(self, g, s):
        o = self.o
        s["velocity"] = o.rho * s["velocity"] + (1 - o.rho) * g**2
        below = s["velocity"]
        if o.centered:
            s["average_gradient"] = o.rho * s["average_gradient"] + (1 - o.rho) * g
            below = below - s["average_gradient"] ** 2
        change = o.learning_rate * g / np.sqrt(below + o.epsilon)
        if o.momentum:
            change = s["momentum"] = o.momentum * s["momentum"] + change
        return change

    def adagrad(self, g, s):
        s["accumulator"] = s["accumulator"] + g**2
        return self.o.learning_rate * g / np.sqrt(s["accumulator"] + self.o.epsilon)

    def adadelta(self, g, s):
        rho, epsilon = self.o.rho, self.o.epsilon
        s["accumulated_grad"] = rho * s["accumulated_grad"] + (1 - rho) * g**2
        ratio = (s["accumulated_delta_var"] + epsilon) / (s["accumulated_grad"] + epsilon)
        change = np.sqrt(ratio) * g
        s["accumulated_delta_var"] = rho * s["accumulated_delta_var"] + (1 - rho) * change**2
        return self.o.learning_rate * change

    def mean(self, g, s):
        s["momentum"] = self.o.beta_1 * s["momentum"] + (1 - self.o.beta_1) * g
        return s["momentum"]

    def square(self, g, s):
        s["velocity"] = self.o.beta_2 * s["velocity"] + (1 - self.o.beta_2) * g**2
        return s["velocity"]

    def adam(self, g, s):
        o, mean, square = self.o, self.mean(g, s), self.square(g, s)
        if o.amsgrad:
            square = s["velocity_hat"] = np.maximum(s["velocity_hat"], square)
        rate = o.learning_rate * np.sqrt(1 - o.beta_2**self.t) / (1 - o.beta_1**self.t)
        return rate * mean / (np.sqrt(square) + o.epsilon)

    def adamax(self, g, s):
        o, mean = self.o, self.mean(g, s)
        s["norm"] = np.maximum(o.beta_2 * s["norm"], np.abs(g))
        return o.learning_rate / (1 - o.beta_1**self.t) * mean / (s["norm"] + o.epsilon)

    def nadam(self, g, s):
        o, mean, square = self.o, self.mean(g, s), self.square(g, s)
        momenta = o.beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, self.t + 2))
        ahead = momenta[-1] * mean / (1 - momenta.prod())
        ahead = ahead + (1 - momenta[-2]) * g / (1 - momenta[:-1].prod())
        return o.learning_rate * ahead / (np.sqrt(square / (1 - o.beta_2**self.t)) + o.epsilon)


CALLS = [
    "SGD(0.1)",
    "SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1)",
    "RMSprop(0.01)",
    "RMSprop(0.01, 0.8, 0.7, 1e-5, True)",
    "Adagrad(0.1)",
    "Adadelta(1.0)",
    "Adam(0.01)",
    "Adam(0.01, amsgrad=True, beta_2=0.6)",
    "AdamW(0.01, 0.1)",
    "Adamax(0.01)",
    "Nadam(0.01)",
    "SGD(0.1, momentum=0.5, clipvalue=0.05)",
    "SGD(0.1, clipnorm=0.3)",
    "SGD(0.1, global_clipnorm=0.3)",
    "Adagrad(0.1, weight_decay=0.1, global_clipnorm=100.0)",
    "SGD(0.1, use_ema=True, ema_momentum=0.8)",
    "RMSprop(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=5)",
    "Adadelta(0.5, weight_decay=0.1, clipnorm=0.2, use_ema=True)",
    "Adamax(0.01, weight_decay=0.1)",
    "Nadam(0.01, weight_decay=0.1)",
]


def made(call):
    return eval(f"optimizers.{call}")


def decays(optimizer):
    """Whether it forgets gradients little by little."""
    return optimizer._own_slots() and not isinstance(optimizer, optimizers.Adagrad)


def linear(optimizer):
    """37 x 3 weights and 3 biases, more than a vector and no multiple of one; no kink anywhere."""
    return compiled(
        lambda: Sequential([layers.Dense(3, bias_initializer="ones", input_shape=(37,))]),
        optimizer,
        "mse",
    )


def linear_gradients(kernel, bias, x, y):
    dy = 2 * (x @ kernel + bias - y) / y.size
    return [x.T @ dy, dy.sum(axis=0)]


def run(call, rng_seed=0):
    """Weights after some steps, in float32 and in float64, and the average in both."""
    rng = np.random.default_rng(rng_seed)
    x, y = rng.normal(size=(STEPS, 20, 37)), rng.normal(size=(STEPS, 20, 3))
    x, y = x.astype(np.float32), y.astype(np.float32)
    model = linear(made(call))
    weights = [float64(w) for w in model.get_weights()]
    reference = Reference(made(call), weights)
    for batch, targets in zip(x, y, strict=True):
        model.train_on_batch(batch, targets)
        gradients = linear_gradients(*weights, float64(batch), float64(targets))
        weights = reference.step(weights, gradients)
    return model, weights, reference


@pytest.mark.parametrize("call", CALLS)
def test_steps_are_those_of_float64(call, isa):
    model, weights, reference = run(call)
    # Rounded gradients of 20 samples; what divides by their root is as wrong as they are.
    atol = STEPS * 60 * EPS
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
    if model.optimizer.use_ema:
        averages = model.named_weights(model.optimizer.slots[-1]).values()
        for found, expected in zip(averages, reference.averages, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("call", [call for call in CALLS if not call.startswith("SGD(0.1)")])
def test_one_seed_gives_one_result_with_any_optimizer_and_number_of_threads(
    call, isa, threads_restored
):
    x, y = digits(70)
    found = []
    for threads in (1, 2, 3):
        pylenet.set_num_threads(threads)
        model = compiled(LENETS["classic"], made(call), seed=3)
        model.fit(x, y, batch_size=32, verbose=0)
        found.append(state(model))
    for other in found[1:]:
        assert_same_bits(other, found[0])


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
@pytest.mark.parametrize("call", CALLS)
def test_updates_have_the_same_bits_on_instruction_sets_that_fuse_multiply_adds(call):
    former, found = _core.active_isa(), []
    try:
        for isa in FMA:
            _core.set_isa(isa)
            model, _, _ = run(call)
            found.append((state(model), *(slot.copy() for slot in model.optimizer.slots)))
    finally:
        _core.set_isa(former)
    for other in found[1:]:
        assert_same_bits(other, found[0])


@pytest.mark.parametrize("name", ["clipnorm", "global_clipnorm"])
def test_a_norm_is_that_of_a_whole_weight_which_is_longer_than_a_piece(name, isa):
    def build():
        return Sequential([layers.Dense(600, use_bias=False, input_shape=(120,))])

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 120)).astype(np.float32), rng.normal(size=(8, 600))
    free = compiled(build, optimizers.SGD(1.0), "mse")
    before = float64(state(free))
    free.train_on_batch(x, y)
    gradient = before - float64(state(free))
    norm = np.linalg.norm(gradient)
    clipped = compiled(build, optimizers.SGD(1.0, **{name: norm / 4}), "mse")
    clipped.train_on_batch(x, y)
    found = before - float64(state(clipped))
    np.testing.assert_allclose(found, gradient / 4, atol=4 * EPS)
    assert np.linalg.norm(found) == pytest.approx(norm / 4, rel=1e-4)


def test_a_gradient_below_the_limits_is_not_changed(isa):
    x, y = digits(40)
    states = []
    for limit in ({}, {"clipnorm": 1e6}, {"global_clipnorm": 1e6}, {"clipvalue": 1e6}):
        model = compiled(LENETS["modern"], optimizers.SGD(0.1, **limit))
        model.fit(x, y, verbose=0)
        states.append(state(model))
    for other in states[1:]:
        assert_same_bits(other, states[0])


def test_a_batch_in_slabs_is_clipped_once_it_is_whole(threads):
    x, y = digits(1500)
    model = compiled(LENETS["classic"], optimizers.SGD(1.0, global_clipnorm=0.01))
    before = float64(state(model))
    model.train_on_batch(x, y)
    assert np.linalg.norm(before - float64(state(model))) == pytest.approx(0.01, rel=1e-3)


def test_fit_ends_with_the_moving_average_in_place_of_the_weights_but_not_of_layers_averages():
    def build():
        return Sequential(
            [
                layers.Dense(5, input_shape=(784,)),
                layers.BatchNormalization(momentum=0.5),
                layers.Dense(10, "softmax"),
            ]
        )

    x, y = digits(64)
    x = x.reshape(64, 784)
    plain = compiled(build, optimizers.SGD(0.01))
    averaged = compiled(build, optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5))
    for model in (plain, averaged):
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    assert np.any(state(averaged) != state(plain))
    average = averaged.named_weights(averaged.optimizer.slots[-1])
    for name, weight in averaged.named_weights().items():
        other = plain.named_weights()[name] if "moving" in name else average[name]
        assert_same_bits(weight.copy(), other.copy())


def test_training_goes_on_with_the_average_after_a_resume():
    x, y = digits(64)
    call = "Nadam(0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3)"
    models = [compiled(LENETS["classic"], made(call)) for _ in range(2)]
    for batch in range(4):
        models[0].train_on_batch(x[batch * 16 :][:16], y[batch * 16 :][:16])
    for batch in range(2):
        models[1].train_on_batch(x[batch * 16 :][:16], y[batch * 16 :][:16])
    again = compiled(LENETS["classic"], made(call))
    again.set_weights(models[1].get_weights())
    again.optimizer.build(again.parameters.size, again.identity)
    again.optimizer.iterations = models[1].optimizer.iterations
    for slot, other in zip(again.optimizer.slots, models[1].optimizer.slots, strict=True):
        slot[...] = other
    for batch in range(2, 4):
        again.train_on_batch(x[batch * 16 :][:16], y[batch * 16 :][:16])
    assert_same_bits(state(again), state(models[0]))


@pytest.mark.parametrize("call", [call for call in CALLS if decays(made(call))])
def test_what_is_remembered_of_gradients_decays_to_zero_and_not_to_numbers_below_the_normal_ones(
    call, isa
):
    """With these a step would take several times as long."""
    model, smallest = linear(made(call)), np.finfo(np.float32).tiny
    x, y = np.zeros((2, 37), np.float32), np.zeros((2, 3), np.float32)
    model.train_on_batch(x, y)
    for name, slot in zip(model.optimizer.slot_names, model.optimizer.slots, strict=True):
        if name != "average":
            slot[:] = -smallest if name == "momentum" else smallest
    model.train_on_batch(x, y)
    for name, slot in zip(model.optimizer.slot_names, model.optimizer.slots, strict=True):
        if name != "average":
            assert ((slot == 0) | (np.abs(slot) >= smallest)).all()


def test_a_gradient_that_does_not_change_leaves_centered_rmsprop_finite(isa):
    # In float32 the mean square of 1e4 may come out below the squared mean by more than epsilon.
    model = compiled(
        lambda: Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))]),
        optimizers.RMSprop(1e-3, centered=True),
        "mse",
    )
    for _ in range(300):
        model.train_on_batch(np.full((1, 1), 100.0), np.full((1, 1), 1e4))
    assert np.isfinite(state(model)).all()


def test_nadam_steps_at_any_iteration():
    model = linear(optimizers.Nadam(0.01))
    x, y = np.ones((2, 37), np.float32), np.ones((2, 3), np.float32)
    for iterations in (0, 999, 10**6, 2**40):
        model.optimizer.iterations = iterations
        model.train_on_batch(x, y)
        assert np.isfinite(state(model)).all()
        assert model.optimizer.iterations == iterations + 1
