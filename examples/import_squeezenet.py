"""Imports the SqueezeNet that the authors of Deep Compression published.

Run as `python import_squeezenet.py compressed_SqueezeNet.net`. The file is in
github.com/songhan/SqueezeNet-Deep-Compression.
"""

import argparse
from pathlib import Path

import numpy as np

import deepcompress as dc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", metavar="FILE.net", type=Path)
    parser.add_argument("--output", metavar="FILE.dcz", default="squeezenet.dcz")
    options = parser.parse_args()

    model = dc.importers.load_han(dc.models.squeezenet(), options.net)
    report = dc.HuffmanSerializer().save(model, options.output)
    print(report)

    loaded = dc.load_model(options.output)
    for saved, read in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert np.array_equal(saved.view("uint32"), read.view("uint32"))
    print(f"Every weight of {options.output} came back bit for bit.")

    alone = dc.HuffmanSerializer(include_architecture=False).dumps(model)
    print(f"As published: {options.net.stat().st_size:,} bytes")
    print(f"{options.output}: {report.size:,} bytes")
    print(f"without the architecture: {len(alone):,} bytes")


if __name__ == "__main__":
    main()
