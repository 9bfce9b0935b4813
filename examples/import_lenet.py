"""Imports the LeNet that the original report trained in Caffe, and compresses it.

Run as `python import_lenet.py lenet_iter_10000.caffemodel`. First as it is, then with
the weights of each layer shared, without any training.
"""

import argparse
from pathlib import Path

import keras

import deepcompress as dc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", metavar="FILE.caffemodel", type=Path)
    parser.add_argument("--output", metavar="FILE.dcz", default="lenet.dcz")
    parser.add_argument("--bits", type=int, default=4, help="default: 4")
    options = parser.parse_args()

    model = dc.importers.load_caffemodel(dc.models.lenet5(), options.net)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    images, labels = dc.models.load_digits().test
    print(f"As published: {options.net.stat().st_size:,} bytes")
    for what in ("as it is", f"shared with {options.bits} bits"):
        if what != "as it is":
            dc.WeightSharingQuantizer(bits=options.bits).quantize(model)
        report = dc.HuffmanSerializer().save(model, options.output)
        loss, accuracy = dc.load_model(options.output).evaluate(
            images, labels, verbose=0
        )
        print(
            f"{what}: {report.size:,} bytes, accuracy {accuracy:.4f}, loss {loss:.4f}"
        )


if __name__ == "__main__":
    main()
