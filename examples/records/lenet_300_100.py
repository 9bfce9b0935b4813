"""LeNet-300-100 on MNIST, 250 and 400 times smaller and more.

Run it with:

    python examples/records/lenet_300_100.py --seed 0
"""

from record import Level, Recipe, main

import deepcompress as dc

RECIPE = Recipe(
    build=dc.models.lenet_300_100,
    dense_epochs=25,
    levels=(
        Level(12_000, 25),
        Level(6_000, 30),
        Level(4_150, 50, is_point=True),
        Level(3_100, 40),
        Level(2_500, 60, is_point=True),
    ),
    sharing_epochs=25,
    batch_size=128,
    rate=4e-3,
)

if __name__ == "__main__":
    main(RECIPE)
