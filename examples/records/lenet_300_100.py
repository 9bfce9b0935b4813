"""LeNet-300-100 on MNIST, 250 and 400 times smaller and more.

Run it with:

    python examples/records/lenet_300_100.py --seed 0
"""

from record import Level, Recipe, main

import deepcompress as dc

RECIPE = Recipe(
    build=dc.models.lenet_300_100,
    dense_epochs=40,
    levels=(
        Level(12_000, 30),
        Level(6_000, 50),
        Level(4_000, 80, is_point=True),
        Level(3_000, 60),
        Level(2_300, 100, is_point=True),
    ),
    sharing_epochs=40,
    batch_size=256,
    rate=8e-3,
    sharing_rate=2e-3,
    bias_bits=4,
    mantissa_bits=4,
)

if __name__ == "__main__":
    main(RECIPE)
