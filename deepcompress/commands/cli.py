"""The command `deepcompress`."""

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from deepcompress import _lazy, importers
from deepcompress._files import write_npz
from deepcompress._version import __version__
from deepcompress.dcz.container import Container, read
from deepcompress.dcz.report import CompressionReport

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The words after the command's name. Defaults to `None`: those it
            was called with.

    Returns:
        The exit status: 0, or 1 after an error, which is one line on the standard
        error.
    """
    options = _parser().parse_args(arguments)
    # Keras and TensorFlow log to the standard error as they are imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _lazy.Advice():
            options.run(options)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"deepcompress: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("deepcompress: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deepcompress",
        description="Deep Compression for Keras 3: small model files, bit-exact.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="train a LeNet on MNIST, compress it, load it back",
        description="Trains LeNet-300-100 on MNIST, prunes it, shares its weights, "
        "Huffman-codes it, writes <net>.dcz, loads that in a fresh process, proves "
        "every weight bit-exact, and prints the paper's per-layer table.",
    )
    demo.add_argument(
        "--net", choices=["lenet_300_100", "lenet5"], default="lenet_300_100"
    )
    demo.add_argument(
        "--data",
        metavar="FILE.npz",
        help="your own images, as x_train, y_train, x_test, y_test like mnist.npz",
    )
    demo.add_argument(
        "--output", metavar="DIR", default=".", help="folder for the file (default: .)"
    )
    demo.add_argument("--seed", type=int, default=0, help="default: 0")
    demo.set_defaults(run=_demo)

    inspect = commands.add_parser(
        "inspect",
        help="print the per-layer table of a .dcz file",
        description="Prints what a .dcz file holds. TensorFlow is not needed.",
    )
    inspect.add_argument("file", metavar="FILE.dcz")
    inspect.add_argument("--json", action="store_true", help="print JSON instead")
    inspect.add_argument(
        "--plot",
        metavar="PICTURE",
        help="also draw the histograms of weights and gaps (.png, .svg, .pdf)",
    )
    inspect.set_defaults(run=_inspect)

    compress = commands.add_parser(
        "compress",
        help="turn a .keras, .weights.h5 or .h5 file into a .dcz file",
        description="Compresses what Keras 2 or 3 has saved, without losing anything, "
        "and prints the per-layer table. It pays for weights that were pruned or "
        "shared before. A .keras file keeps its architecture; HDF5 files become "
        "weights alone, for which TensorFlow is not needed.",
    )
    compress.add_argument("file", metavar="FILE.keras|FILE.weights.h5|FILE.h5")
    compress.add_argument("output", metavar="OUT.dcz")
    compress.set_defaults(run=_compress)

    extract = commands.add_parser(
        "extract",
        help="turn a .dcz file into a .keras, .weights.h5 or .npz file",
        description="Decodes a .dcz file. For .npz, TensorFlow is not needed.",
    )
    extract.add_argument("file", metavar="FILE.dcz")
    extract.add_argument("output", metavar="OUT.keras|OUT.weights.h5|OUT.npz")
    extract.set_defaults(run=_extract)
    return parser


def _demo(options: argparse.Namespace) -> None:
    run = _quietly(_import_demo)
    run(options.net, options.data, options.output, seed=options.seed)


def _import_demo() -> Callable[..., object]:
    from deepcompress.commands.demo import run  # noqa: PLC0415  (Keras is slow to import)

    return run


def _inspect(options: argparse.Namespace) -> None:
    report = CompressionReport.from_file(options.file)
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        _print(report)
    if options.plot:
        report.plot().savefig(options.plot)


def _compress(options: argparse.Namespace) -> None:
    file, output = options.file, options.output
    if not output.endswith(".dcz"):
        raise ValueError(f"The output must be a .dcz file. Received: {output!r}")
    if file.endswith(".keras"):
        report = _quietly(lambda: _compress_model(file, output))
    elif file.endswith((".h5", ".hdf5")):
        report = importers.compress_h5(file, output)
    else:
        raise ValueError(
            f"The suffix of {file!r} says no format. Known are .keras, .weights.h5, "
            ".h5 and .hdf5."
        )
    _print(report)


def _compress_model(file: str, output: str) -> CompressionReport:
    import keras  # noqa: PLC0415

    from deepcompress.saving.serializer import HuffmanSerializer  # noqa: PLC0415

    try:
        with warnings.catch_warnings(action="ignore"):  # of the optimizer's state
            model = keras.models.load_model(file)
    except Exception as error:  # Keras raises any, of many lines
        reason = str(error).partition("\n")[0]
        raise ValueError(f"Keras cannot load {file!r}: {reason}") from error
    return HuffmanSerializer().save(model, output)


def _print(report: CompressionReport) -> None:
    # A pipe has no width of its own.
    Console(width=None if sys.stdout.isatty() else 100).print(report.to_table())


def _extract(options: argparse.Namespace) -> None:
    output = options.output
    if output.endswith(".npz"):
        with read(options.file) as weights:
            _refuse_assets(weights, output)
            for name in weights:
                if weights.dtype(name).kind == "V":
                    raise ValueError(
                        f"{name!r} is {weights.dtype(name)}, which .npz cannot hold. "
                        "Extract to .keras or .weights.h5."
                    )
            write_npz(output, weights)
    elif output.endswith((".keras", ".weights.h5")):
        with read(options.file) as weights:
            if weights.architecture is None:
                raise ValueError(
                    f"{options.file!r} holds no architecture, so no model can be "
                    "built. Extract to .npz."
                )
            if not output.endswith(".keras"):
                _refuse_assets(weights, output)
        _quietly(lambda: _extract_model(options.file, output))
    else:
        raise ValueError(
            f"The suffix of {output!r} says no format. Use .keras, .weights.h5 or .npz."
        )


def _refuse_assets(weights: Container, output: str) -> None:
    """Refuses to leave out what layers keep besides weights."""
    if weights.assets:
        raise ValueError(
            f"{output!r} cannot hold what layers keep besides weights: "
            f"{', '.join(map(repr, weights.assets))}. Extract to .keras, or take it "
            "from `deepcompress.read(file).assets`."
        )


def _extract_model(file: str, output: str) -> None:
    from deepcompress.saving.serializer import load_model  # noqa: PLC0415

    # Weights alone go without the state of an optimizer that has never stepped.
    model = load_model(file, compile=output.endswith(".keras"))
    target = Path(output)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder of {output!r} does not exist.")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        complete = Path(folder, target.name)
        if output.endswith(".keras"):
            model.save(complete)
        else:
            model.save_weights(complete)
        complete.replace(target)


def _quietly(action: Callable[[], T]) -> T:
    """Runs something without what native code writes to the standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        return action()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
