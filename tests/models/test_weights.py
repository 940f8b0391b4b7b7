"""Weights of samples and classes, in training, evaluation and metrics."""

import numpy as np
import pytest
from nets import compiled, one_hot, samples, small, state, tiny
from tolerance import assert_same_bits

from pylenet import losses, metrics, optimizers

WEIGHTS = np.array([0.0, 1.0, 2.5, 0.25, 3.0], np.float32)


def weighted(n):
    return np.resize(WEIGHTS, n)


def test_a_loss_is_the_weighted_sum_over_the_number_of_samples():
    x, y = samples(20, (4,), 3)
    model, w = compiled(tiny), weighted(20)
    values = losses.sparse_categorical_crossentropy(y, model.predict(x))
    expected = (values * w).mean()
    assert model.evaluate(x, y, sample_weight=w) == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(x, y, w) == model.evaluate(x, y, sample_weight=w)
    assert model.loss(y, model.predict(x), w) == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(x, y, w) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [5, 20, 37])
def test_a_weight_scales_a_sample_s_gradient(n, isa):
    x, y = samples(n, (8, 7, 2), 4)
    model, w = compiled(small, optimizers.SGD(1.0)), weighted(n)
    before = state(model).astype(np.float64)
    model.train_on_batch(x, y, w)
    expected = np.zeros_like(before)
    for weight in set(WEIGHTS) - {0}:
        alone = compiled(small, optimizers.SGD(1.0))
        chosen = w == weight
        if chosen.any():
            alone.train_on_batch(x[chosen], y[chosen])
            expected += (before - state(alone)) * weight * chosen.sum() / n
    np.testing.assert_allclose(before - state(model), expected, atol=2e-6)


def test_weights_of_one_change_no_bit(threads):
    x, y = samples(70, (8, 7, 2), 4)
    plain, ones = compiled(small), compiled(small)
    history = plain.fit(x, y, epochs=2, shuffle=False, verbose=0).history
    other = ones.fit(x, y, epochs=2, shuffle=False, verbose=0, sample_weight=np.ones((70, 1)))
    assert other.history == history
    assert_same_bits(state(ones), state(plain))


def test_weights_go_with_their_samples_when_these_are_shuffled():
    x, y = samples(64, (4,), 3)
    keep = np.arange(64) % 4 == 0
    model, alone = compiled(tiny), compiled(tiny)
    model.fit(x, y, batch_size=64, verbose=0, sample_weight=keep)
    alone.train_on_batch(x[keep], y[keep], np.full(16, 0.25))
    np.testing.assert_allclose(state(model), state(alone), atol=1e-6)


CLASS_WEIGHT = {0: 3.0, 2: 0.5}


@pytest.mark.parametrize("form", ["labels", "rows", "column"])
def test_class_weights_are_sample_weights_by_class(form):
    x, y = samples(40, (4,), 3)
    w = np.array([3.0, 1.0, 0.5])[y]
    loss = "categorical_crossentropy" if form == "rows" else "sparse_categorical_crossentropy"
    given = {"labels": y, "rows": one_hot(y, 3), "column": y[:, None]}[form]
    by_class, by_sample = compiled(tiny, loss=loss), compiled(tiny, loss=loss)
    history = by_class.fit(x, given, class_weight=CLASS_WEIGHT, shuffle=False, verbose=0).history
    other = by_sample.fit(x, given, sample_weight=w, shuffle=False, verbose=0).history
    assert history == other
    assert_same_bits(state(by_class), state(by_sample))
    assert by_class.train_on_batch(x, given, class_weight=CLASS_WEIGHT) == (
        by_sample.train_on_batch(x, given, w)
    )


def test_validation_has_weights_of_its_own_and_none_of_classes():
    x, y = samples(40, (4,), 3)
    w = weighted(40)
    model = compiled(tiny, optimizers.SGD(0.0))
    fit = {"verbose": 0, "class_weight": CLASS_WEIGHT, "validation_batch_size": 7}
    history = model.fit(x, y, validation_data=(x, y, w), **fit).history
    assert history["val_loss"] == [model.evaluate(x, y, sample_weight=w)]
    history = model.fit(x, y, validation_data=(x, y), **fit).history
    assert history["val_loss"] == [model.evaluate(x, y)]


def test_a_split_keeps_the_weights_of_the_samples_it_keeps():
    x, y = samples(40, (4,), 3)
    w = weighted(40)
    split, apart = compiled(tiny), compiled(tiny)
    options = {"shuffle": False, "verbose": 0}
    found = split.fit(x, y, sample_weight=w, validation_split=0.25, **options).history
    other = apart.fit(
        x[:30], y[:30], sample_weight=w[:30], validation_data=(x[30:], y[30:], w[30:]), **options
    ).history
    assert found == other
    assert_same_bits(state(split), state(apart))


def test_batches_may_bring_weights():
    x, y = samples(40, (4,), 3)
    w = weighted(40)
    whole, pieces = compiled(tiny), compiled(tiny)
    batches = [(x[i : i + 8], y[i : i + 8], w[i : i + 8]) for i in range(0, 40, 8)]
    history = whole.fit(x, y, batch_size=8, sample_weight=w, shuffle=False, verbose=0).history
    other = pieces.fit(batches, verbose=0).history
    assert other["loss"] == pytest.approx(history["loss"], rel=1e-12)
    assert_same_bits(state(pieces), state(whole))
    loss = whole.evaluate(x, y, sample_weight=w)
    assert whole.evaluate(batches) == pytest.approx(loss, rel=1e-12)
    with pytest.raises(ValueError, match="sample_weight must be None where x gives batches"):
        pieces.fit(batches, sample_weight=w)
    by_class, by_sample = compiled(tiny), compiled(tiny)
    by_class.fit([batch[:2] for batch in batches], class_weight=CLASS_WEIGHT, verbose=0)
    by_sample.fit(x, y, batch_size=8, class_weight=CLASS_WEIGHT, shuffle=False, verbose=0)
    assert_same_bits(state(by_class), state(by_sample))


def test_steps_of_an_epoch_take_weights_along():
    x, y = samples(40, (4,), 3)
    w = weighted(40)
    some, first = compiled(tiny), compiled(tiny)
    some.fit(x, y, 8, sample_weight=w, shuffle=False, steps_per_epoch=2, verbose=0)
    first.fit(x[:16], y[:16], 8, sample_weight=w[:16], shuffle=False, verbose=0)
    assert_same_bits(state(some), state(first))


def test_only_weighted_metrics_look_at_weights():
    x, y = samples(40, (4,), 3)
    w, rows = weighted(40), one_hot(y, 3)
    model = compiled(tiny, loss="categorical_crossentropy")
    model.compile(
        "sgd",
        "categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[metrics.CategoricalAccuracy("weighted"), "mse"],
    )
    right = metrics.categorical_accuracy(rows, model.predict(x))
    squares = metrics.mean_squared_error(rows, model.predict(x))
    found = model.evaluate(x, rows, sample_weight=w, return_dict=True)
    assert list(found) == ["accuracy", "weighted", "mse", "loss"]
    assert model.metrics_names == ["loss", "accuracy", "weighted", "mse"]
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["weighted"] == pytest.approx((right * w).sum() / w.sum())
    assert found["mse"] == pytest.approx((squares * w).sum() / w.sum(), rel=1e-6)
    alone = model.evaluate(x, rows, return_dict=True)
    assert alone["weighted"] == alone["accuracy"]


def test_sdlm_refuses_weights():
    x, y = samples(4, (4,), 3)
    model = compiled(tiny, optimizers.SDLM())
    with pytest.raises(ValueError, match="knows no weights of samples or classes"):
        model.fit(x, y, sample_weight=np.ones(4), verbose=0)
    assert model.optimizer.iterations == 0


def test_class_weight_and_sample_weight_exclude_each_other_in_a_batch():
    x, y = samples(4, (4,), 3)
    with pytest.raises(ValueError, match="class_weight must be None where sample_weight"):
        compiled(tiny).train_on_batch(x, y, np.ones(4), {0: 1.0})
