"""LeNet-5 on MNIST, 500 and 900 times smaller and more.

Run it with:

    python examples/records/lenet5.py --seed 0
"""

from record import Level, Recipe, main

import deepcompress as dc

RECIPE = Recipe(
    build=dc.models.lenet5,
    dense_epochs=15,
    levels=(
        Level(10_000, 12),
        Level(5_000, 14),
        Level(2_900, 24, is_point=True),
        Level(2_050, 18),
        Level(1_440, 30, is_point=True),
    ),
    sharing_epochs=10,
    batch_size=128,
    rate=4e-3,
    sharing_rate=1e-3,
    mantissa_bits=5,
)

if __name__ == "__main__":
    main(RECIPE)
