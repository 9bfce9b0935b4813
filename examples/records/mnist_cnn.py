"""The net of Keras' MNIST example, 1,000 times smaller and more.

Run it with:

    python examples/records/mnist_cnn.py --seed 0
"""

from record import Level, Recipe, main

import deepcompress as dc

RECIPE = Recipe(
    build=dc.models.mnist_cnn,
    dense_epochs=5,
    filters={"conv1": 0.5, "conv2": 0.5},
    filter_epochs=2,
    levels=(
        Level(10_000, 5),
        Level(4_000, 9, is_point=True),
        Level(2_900, 6),
        Level(2_150, 10, is_point=True),
    ),
    sharing_epochs=3,
    batch_size=128,
    rate=3e-3,
    sharing_rate=7.5e-4,
    mantissa_bits=5,
)

if __name__ == "__main__":
    main(RECIPE)
