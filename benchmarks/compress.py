"""`dc.compress` with its defaults on LeNet-5: how small in a quarter of an hour.

The net is trained for ten epochs, then compressed by one call that is told nothing but
the data and how far the accuracy may drop, on 5,000 training images held back. The test
images are looked at once, through the file.

Run it with:

    python benchmarks/compress.py
    python benchmarks/compress.py --seconds 300 --drop 0.005
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import deepcompress as dc


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--drop", type=float, default=0.002)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("compressed.dcz"))
    options = parser.parse_args()
    digits = dc.models.load_digits()
    keras.utils.set_random_seed(0)
    model = dc.models.lenet5()
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*digits.train, batch_size=128, epochs=options.epochs, verbose=0)
    result = dc.compress(
        model,
        digits.train,
        digits.validation,
        max_accuracy_drop=options.drop,
        time_budget=options.seconds,
    )
    result.save(options.output)
    loaded = dc.load_model(options.output)
    before, after = (
        1 - net.evaluate(*digits.test, verbose=0, return_dict=True)["accuracy"]
        for net in (model, loaded)
    )
    size = options.output.stat().st_size
    print(result)
    print(
        f"{size:,} bytes on disk, {4 * model.count_params() / size:.1f}x smaller; test "
        f"error {before:.2%} before, {after:.2%} after."
    )


if __name__ == "__main__":
    main()
