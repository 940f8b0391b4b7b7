"""PyTorch itself: what it makes of files and sources that pylenet writes, and its oldest format."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from nets import LENETS
from tolerance import assert_same_bits
from torch_nets import CORPUS, kept, net

from pylenet import layers
from pylenet.models import Sequential

torch = pytest.importorskip("torch")


def odd():
    """Paddings, strides and activations of which PyTorch has the like under other names."""
    return Sequential(
        [
            layers.Input((9, 7, 2)),
            layers.Rescaling(0.5, 0.1),
            layers.ZeroPadding2D(((1, 0), (2, 3))),
            layers.Conv2D(4, 3, 2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.AveragePooling2D(3, 2, "same"),
            layers.MaxPooling2D(2, 1, "same"),
            layers.Conv2D(3, (2, 1), connections=[[0, 1], [2], [1, 3]], activation="sigmoid"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.BatchNormalization(scale=False),
            layers.Dense(5, "leaky_relu"),
            layers.Dense(4, "scaled_tanh", use_bias=False),
            layers.Dense(3, "softmax"),
        ],
        name="odd net",
    )


def pooled():
    return Sequential(
        [layers.Input((9, 7, 2)), layers.Conv2D(5, 3), layers.GlobalAveragePooling2D()],
        name="2 pools",
    )


def noisy():
    """Layers that do something in training alone, and shapes that keep their values' order."""
    return Sequential(
        [
            layers.Input((9, 7, 2)),
            layers.GaussianNoise(0.5),
            layers.SpatialDropout2D(0.5),
            layers.Conv2D(1, 3),
            layers.Reshape((5, 7, 1)),
            layers.Flatten(),
            layers.Dense(6, "gelu"),
            layers.Reshape((1, 1, 6)),
            layers.ReLU(0.5, 0.25, 0.1),
            layers.GlobalMaxPooling2D(),
        ]
    )


MODELS = {**LENETS, "net": net, "odd": odd, "pooled": pooled, "noisy": noisy}


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_module_with_its_exported_weights_predicts_the_same_in_pytorch(name, tmp_path):
    from safetensors.torch import load_file

    model, rng = MODELS[name](), np.random.default_rng(0)
    model.set_weights([rng.random(w.shape) - (0.4 if w.ndim > 1 else 0) for w in model.weights])
    for ending, format in ((".py", None), (".pt", None), (".safetensors", "torch")):
        model.export(tmp_path / f"m{ending}", format)
    (build,) = (
        value
        for value in runpy.run_path(tmp_path / "m.py").values()
        if isinstance(value, type) and issubclass(value, torch.nn.Module)
    )
    x = rng.random((5, *model.input_shape[1:]), np.float32)
    if name in LENETS:
        x *= 255
    here = model.predict(x)
    for state in (torch.load(tmp_path / "m.pt"), load_file(tmp_path / "m.safetensors")):
        module = build()
        module.load_state_dict(state)
        with torch.inference_mode():
            there = module.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def test_weights_of_pytorch_come_back_from_pylenet_unchanged(tmp_path):
    theirs = torch.load(CORPUS / "net.pt")
    model = net()
    model.load_weights(CORPUS / "net.pt")
    model.save_weights(tmp_path / "m.pt")
    ours = torch.load(tmp_path / "m.pt")
    for one, other in zip(theirs.items(), ours.items(), strict=True):
        assert one[0].rpartition(".")[2] == other[0].rpartition(".")[2]
        if "num_batches" not in one[0]:
            assert_same_bits(other[1].numpy(), one[1].numpy())


def test_a_file_from_before_pytorch_1_6_is_read_through_pytorch():
    model = net()
    model.load_weights(CORPUS / "net_legacy.pt")
    x, y = kept("net")
    np.testing.assert_allclose(model.predict(x), y, rtol=0, atol=1e-6)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def test_a_file_of_the_old_format_that_holds_code_is_a_value_error(tmp_path):
    path = Path(tmp_path / "m.pt")
    torch.save({"w": Evil()}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="PyTorch cannot read it"):
        net().load_weights(path)


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_weights_of_other_floats_are_read(dtype, tmp_path):
    kind = getattr(torch, dtype)
    state = {"fc.weight": torch.rand(3, 4).to(kind), "fc.bias": torch.rand(3).to(kind)}
    torch.save(state, tmp_path / "m.pt")
    model = Sequential([layers.Input((4,)), layers.Dense(3)])
    model.load_weights(tmp_path / "m.pt")
    assert_same_bits(model.layers[0].kernel, state["fc.weight"].float().numpy().T)
    assert_same_bits(model.layers[0].bias, state["fc.bias"].float().numpy())


def test_parameters_and_views_of_one_storage_are_read(tmp_path):
    both = torch.rand(2, 3, 4)
    state = {"a.weight": torch.nn.Parameter(both[0]), "b.weight": both[1].T.contiguous().T[:, :3]}
    torch.save(state, tmp_path / "m.pt")
    dense = [layers.Dense(3, use_bias=False) for _ in range(2)]
    model = Sequential([layers.Input((4,)), *dense])
    model.load_weights(tmp_path / "m.pt")
    for layer, weight in zip(dense, state.values(), strict=True):
        assert_same_bits(layer.kernel, weight.detach().numpy().T)
