#!/usr/bin/env bash
# Versions: scikit-learn==1.9.1, numpy==2.4.6.
# scikit-learn 1.9.1, validate_data(..., allow_nd=True): of images (n, height, width) the height counts
# as n_features_in_, and nothing else is compared later. After images of 28 x 28, those of 28 x 14
# pass, and so do rows of 28; the same images as rows of 784 are refused.
# Output seen: 28
#              (5, 28, 14) passes
#              (5, 28) passes
#              (5, 784) is refused
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "scikit-learn==1.9.1" "numpy==2.4.6"
cd "$work"
"$work/venv/bin/python" -W error - <<'PYTHON' | tee output
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

estimator = BaseEstimator()
validate_data(estimator, np.zeros((5, 28, 28)), allow_nd=True)
print(estimator.n_features_in_)
for shape in ((5, 28, 14), (5, 28), (5, 784)):
    try:
        validate_data(estimator, np.zeros(shape), allow_nd=True, reset=False)
        print(shape, "passes")
    except ValueError:
        print(shape, "is refused")
PYTHON
[ "$(cat output)" = "28
(5, 28, 14) passes
(5, 28) passes
(5, 784) is refused" ]
