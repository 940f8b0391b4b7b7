"""Draw README's picture, docs/feature-maps.png: what every layer of a LeNet makes of a digit.

`python docs/picture.py` trains for some seconds. Needs matplotlib.
"""

from pathlib import Path

import pylenet
from pylenet._recipes import MODERN_RECIPES

PICTURE = Path(__file__).with_name("feature-maps.png")
DIGIT = 18  # of the test images: a 3 with loops

if __name__ == "__main__":
    (x, y), (x_test, _) = pylenet.datasets.mnist.load_data()
    recipe = MODERN_RECIPES["fast"]
    pylenet.utils.set_random_seed(1)
    model = recipe.build()
    steps = recipe.epochs * -(-len(x) // recipe.batch_size)
    model.compile(recipe.optimizer(steps, recipe.learning_rate), recipe.loss)
    model.fit(x, y, recipe.batch_size, recipe.epochs)
    ax = pylenet.plots.feature_maps(model, x_test[DIGIT])
    ax.figure.savefig(PICTURE, dpi=100)
    print(f"Written: {PICTURE}, {PICTURE.stat().st_size:,} bytes")
