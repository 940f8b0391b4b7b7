"""Wrong values of the arguments that several layers have, and the errors they must raise."""

PAIRS = [
    ("3", TypeError),
    (2.0, TypeError),
    (True, TypeError),
    (0, ValueError),
    (-1, ValueError),
    ((3,), ValueError),
    ((3, 3, 3), ValueError),
    ((3, 0), ValueError),
    ((2.5, 2), TypeError),
    ((2, None), TypeError),
]
COUNTS = [("3", TypeError), (3.0, TypeError), (True, TypeError), (None, TypeError)]
COUNTS += [(0, ValueError), (-2, ValueError)]
PADDINGS = [("full", ValueError), ("", ValueError), (None, TypeError), (1, TypeError)]
ACTIVATIONS = [("celu", ValueError), ("ReLU", ValueError), ("bounded_relu", ValueError)]
ACTIVATIONS += [(max, TypeError), (1, TypeError), ({"class_name": "Dense"}, ValueError)]
FLAGS = [(1, TypeError), (None, TypeError), ("yes", TypeError)]
INITIALIZERS = [("sun", ValueError), (3, TypeError), ({"class_name": "Sun"}, ValueError)]
RULES = [("l3", ValueError), (3, TypeError), ({"class_name": "Sun"}, ValueError)]
NUMBERS = [("1", TypeError), (None, TypeError), (True, TypeError), (1j, TypeError)]
NUMBERS += [(float("nan"), ValueError), (float("inf"), ValueError)]
NAMES = [(3, TypeError), ("", ValueError), ("größe", ValueError), ("a\nb", ValueError)]
SHAPES = [(28, TypeError), ("28", TypeError), ((), ValueError), ((0,), ValueError)]
SHAPES += [((28.0, 28), TypeError), ((1, 2, 3, 4), ValueError), ((None, 3), TypeError)]

COMMON = {"name": NAMES, "input_shape": SHAPES, "dtype": [("float16", ValueError)]}
COMMON["input_dim"] = [*COUNTS[:3], (0, ValueError)]
COMMON["trainable"] = [(1, TypeError), (None, TypeError)]
DATA_FORMATS = [("channels_first", ValueError), ("nhwc", ValueError), (1, TypeError)]
POOL = {"pool_size": PAIRS, "strides": PAIRS, "padding": PADDINGS, "data_format": DATA_FORMATS}
WEIGHTED = {
    "activation": ACTIVATIONS,
    "use_bias": FLAGS,
    "kernel_initializer": INITIALIZERS,
    "bias_initializer": INITIALIZERS,
    "kernel_regularizer": RULES,
    "bias_regularizer": RULES,
    "activity_regularizer": [("l2", ValueError)],
    "kernel_constraint": RULES,
    "bias_constraint": RULES,
}
