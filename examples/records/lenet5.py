"""LeNet-5 on MNIST, 500 and 900 times smaller and more.

Run it with:

    python examples/records/lenet5.py --seed 0
"""

from record import Level, Recipe, main

import deepcompress as dc

RECIPE = Recipe(
    build=dc.models.lenet5,
    dense_epochs=12,
    levels=(
        Level(10_000, 8),
        Level(5_000, 10),
        Level(3_300, 16, is_point=True),
        Level(2_300, 12),
        Level(1_670, 18, is_point=True),
    ),
    sharing_epochs=5,
)

if __name__ == "__main__":
    main(RECIPE)
