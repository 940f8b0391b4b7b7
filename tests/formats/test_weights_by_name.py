"""load_weights(by_name=True): what a file has of a model's layers, found by their names."""

import numpy as np
import pytest
from nets import state
from tolerance import assert_same_bits

from pylenet import Sequential
from pylenet.layers import BatchNormalization, Conv2D, Dense, Flatten, Input
from pylenet.models import lenet5_1998, load_model
from pylenet.utils import set_random_seed


def net(classes, seed):
    set_random_seed(seed)
    model = Sequential(
        [
            Input((8, 7, 2)),
            Conv2D(3, 3, name="c1"),
            BatchNormalization(name="b1"),
            Flatten(name="flat"),
            Dense(classes, name=f"out_{classes}"),
        ]
    )
    model.set_weights([w + np.float32(seed) for w in model.get_weights()])
    return model


@pytest.fixture(params=["w.safetensors", "m.safetensors", "w.h5", "m.h5"])
def written(request, tmp_path):
    """(the file, the model that it is of)."""
    if request.param.endswith(".h5"):
        pytest.importorskip("h5py")
    model = net(10, 1)
    (model.save if request.param[0] == "m" else model.save_weights)(tmp_path / request.param)
    return tmp_path / request.param, model


def test_layers_of_the_same_name_are_set_and_others_stay(written):
    path, source = written
    model = net(5, 2)
    last = model.get_weights()[-2:]
    model.load_weights(path, by_name=True)
    assert_same_bits(tuple(model.get_weights()[:-2]), tuple(source.get_weights()[:-2]))
    assert_same_bits(tuple(model.get_weights()[-2:]), tuple(last))


def test_a_layer_of_another_shape_is_an_error_or_skipped_and_nothing_is_set_by_halves(written):
    path, source = written
    model = Sequential(
        [Input((8, 7, 2)), Conv2D(3, 3, name="c1"), Flatten(), Dense(4, name="out_10")]
    )
    before = state(model)
    with pytest.raises(ValueError, match=r"layer 'out_10' must have the shapes .*, got "):
        model.load_weights(path, by_name=True)
    assert_same_bits(state(model), before)
    model.load_weights(path, by_name=True, skip_mismatch=True)
    assert_same_bits(tuple(model.get_weights()[:2]), tuple(source.get_weights()[:2]))
    assert_same_bits(state(model)[-4:], before[-4:])


def test_a_file_without_such_layers_is_an_error(written):
    path, _ = written
    model = Sequential([Dense(3, input_shape=(4,), name="other")])
    with pytest.raises(ValueError, match=r"has no weights of a layer that this model has: .*'c1'"):
        model.load_weights(path, by_name=True)


def test_the_weights_of_a_layer_keep_their_order_also_where_it_has_many(tmp_path):
    model, other = lenet5_1998(), lenet5_1998()
    model.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors", by_name=True)
    assert_same_bits(state(other), state(model))


def test_a_file_without_names_is_an_error(tmp_path):
    pytest.importorskip("h5py")
    model = net(10, 1)
    model.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="has no layers' names: by_name must be False"):
        model.load_weights(tmp_path / "w.weights.h5", by_name=True)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="has no layers' names: by_name must be False"):
        load_model(tmp_path / "m.keras").load_weights(tmp_path / "m.keras", by_name=True)
    with pytest.raises(ValueError, match="skip_mismatch must be False unless by_name is True"):
        model.load_weights(tmp_path / "w.weights.h5", skip_mismatch=True)
