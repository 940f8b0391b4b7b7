#!/usr/bin/env bash
# Versions: scikit-learn==1.9.1, numpy==2.4.6.
# scikit-learn 1.9.1: with the bases in the order (BaseEstimator, ClassifierMixin) an estimator is no
# classifier, since the first base's tags do not ask the second. Nothing warns; cross_val_score then
# splits without stratifying, and an estimator that always answers class 0 scores 1.0, 0.5 and 0.0.
# Output seen: Right True [0.5, 0.5, 0.5]
#              Wrong False [1.0, 0.5, 0.0]
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "scikit-learn==1.9.1" "numpy==2.4.6"
cd "$work"
"$work/venv/bin/python" -W error - <<'PYTHON' | tee output
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.model_selection import cross_val_score


class First:
    """Always answers the first class."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Right(First, ClassifierMixin, BaseEstimator):
    pass


class Wrong(First, BaseEstimator, ClassifierMixin):
    pass


X, y = np.zeros((6, 1)), np.repeat([0, 1], 3)
for kind in (Right, Wrong):
    scores = cross_val_score(kind(), X, y, cv=3, scoring="accuracy")
    print(kind.__name__, is_classifier(kind()), scores.tolist())
PYTHON
[ "$(cat output)" = "Right True [0.5, 0.5, 0.5]
Wrong False [1.0, 0.5, 0.0]" ]
