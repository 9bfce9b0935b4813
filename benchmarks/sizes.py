"""The size of a `.dcz` file against general compressors on the same weights.

For each file: its bytes, those of the weights alone (saved again without the
architecture), how many of the latter are framing (all but codes, gaps, code tables,
codebooks and what is stored as it is), and what gzip, bzip2, xz and
`np.savez_compressed` make of the same arrays, biases included, each at its highest
level. The ratio is their size over that of the weights alone; "smaller" is how many
times smaller than the dense float32 arrays a form is.

Run it with:

    python benchmarks/sizes.py lenet_300_100.dcz lenet5.dcz
"""

import argparse
import bz2
import gzip
import io
import lzma
from pathlib import Path

import numpy as np

import deepcompress as dc


def framing(report: dc.CompressionReport) -> int:
    content = 0
    for tensor in report.stats.values():
        content += tensor.table_bytes
        content += sum(-(-bits // 8) for bits in (tensor.gap_bits, tensor.value_bits))
        if tensor.codebook is not None:
            content += tensor.codebook.nbytes
    return report.size - content


def forms(arrays: dict[str, np.ndarray], path: Path) -> dict[str, int]:
    raw = b"".join(array.tobytes() for array in arrays.values())
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    return {
        "dense": len(raw),
        "dcz": path.stat().st_size,
        "dcz, weights alone": dc.write(io.BytesIO(), arrays).size,
        "np.savez_compressed": len(archive.getvalue()),
        "gzip -9": len(gzip.compress(raw, 9)),
        "bzip2 -9": len(bz2.compress(raw, 9)),
        "xz -9e": len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.dcz")
    for path in parser.parse_args().files:
        with dc.read(path) as container:
            arrays = dict(container)
        sizes = forms(arrays, path)
        print(f"\n{path.name}")
        print(f"{'form':<22}{'bytes':>10}{'smaller':>10}{'ratio':>8}")
        for form, size in sizes.items():
            smaller = sizes["dense"] / size
            ratio = size / sizes["dcz, weights alone"]
            print(f"{form:<22}{size:>10,}{smaller:>9.1f}x{ratio:>8.2f}")
        alone = dc.write(io.BytesIO(), arrays)
        print(f"framing of the weights alone: {framing(alone)}")


if __name__ == "__main__":
    main()
