"""Models of random layers and weights, for the tests of quantization."""

import numpy as np
from hypothesis import strategies as st

import pylenet
from pylenet import layers

ACTIVATIONS = [
    *("linear", "relu", "tanh", "sigmoid", "relu6", "elu", "leaky_relu", "gelu", "hard_sigmoid"),
    layers.ReLU(2.0, negative_slope=0.1, threshold=0.1),
]


def random_weights(model, seed):
    """Weights of the size that training gives, variances above 0."""
    random = np.random.default_rng(seed)
    weights = []
    for name, view in model.named_weights().items():
        values = random.normal(0, 1 / np.sqrt(max(1, view.size // view.shape[-1])), view.shape)
        weights.append(np.abs(values) + 0.1 if name.endswith("variance") else values)
    model.set_weights([w.astype(np.float32) for w in weights])
    return model


@st.composite
def chains(draw):
    """A model of random layers, and its images."""
    shape = tuple(draw(st.integers(3, 9)) for _ in range(2))
    shape = (*shape, draw(st.integers(1, 3)))
    model = pylenet.Sequential([pylenet.Input(shape)])
    one_of = lambda *choices: draw(st.sampled_from(choices))  # noqa: E731
    if draw(st.booleans()):
        model.add(layers.Rescaling(1 / 127.5, one_of(0.0, -1.0)))
    for _ in range(draw(st.integers(1, 4))):
        height, width, channels = model.layers[-1].output_shape[1:] if model.layers else shape
        window = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
        strides, padding = draw(st.integers(1, 2)), one_of("valid", "same")
        made = one_of("conv", "conv", "max", "average", "pad", "norm", "activation")
        activation = draw(st.sampled_from(ACTIVATIONS))
        if made == "conv":
            filters = draw(st.integers(1, 7))
            connections = None
            if draw(st.booleans()):
                pairs = [(f % channels, (f + 1) % channels) for f in range(filters)]
                connections = [sorted(set(pair)) for pair in pairs]
            model.add(
                layers.Conv2D(
                    *(filters, window, strides, padding),
                    activation=activation,
                    use_bias=draw(st.booleans()),
                    connections=connections,
                )
            )
        elif made in ("max", "average"):
            pool = layers.MaxPooling2D if made == "max" else layers.AveragePooling2D
            model.add(pool(window, draw(st.integers(1, 3)), padding))
        elif made == "pad":
            model.add(layers.ZeroPadding2D(((0, 1), (2, 1))))
        elif made == "norm":
            model.add(layers.BatchNormalization())
        else:
            model.add(layers.Activation(activation))
    if draw(st.booleans()):
        model.add(layers.Dropout(0.5))
    model.add(layers.GlobalAveragePooling2D() if draw(st.booleans()) else layers.Flatten())
    for _ in range(draw(st.integers(1, 2))):
        model.add(layers.Dense(draw(st.integers(1, 6)), draw(st.sampled_from(ACTIVATIONS))))
    if draw(st.booleans()):
        model.add(layers.Softmax())
    images = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (12, *shape))
    kind = one_of("pixels", "positive", "signed")
    if kind == "pixels":
        return random_weights(model, 5), images.astype(np.uint8)
    return random_weights(model, 5), (images / 255 - (kind == "signed") / 2).astype(np.float32)
