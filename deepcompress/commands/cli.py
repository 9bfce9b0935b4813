"""The command `deepcompress`."""

import argparse
import json
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from deepcompress import _lazy, importers
from deepcompress._files import atomic_writer, check_room, write_npz
from deepcompress._version import __version__
from deepcompress.commands import chatter, exact, exporting, own_code, running, smaller
from deepcompress.commands.contents import contents
from deepcompress.commands.page import writing
from deepcompress.commands.saying import (
    close_output,
    reason,
    say,
    show_warning,
    wording,
)
from deepcompress.dcz.container import CODERS, Container, read
from deepcompress.dcz.foreign.kinds import is_known
from deepcompress.dcz.foreign.packing import pack
from deepcompress.dcz.report import CompressionReport

if TYPE_CHECKING:
    import keras

_BROKEN_PIPE = 141  # what the shell says of a program that SIGPIPE has ended


class _UsageError(ValueError):
    """The words of the command make no sense, whatever the files are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The words after the command's name. Defaults to `None`: those it
            was called with.

    Returns:
        The exit status: 0; 2 where the words make no sense; 1 after any other error.
        An error is one line on the standard error.
    """
    try:
        try:
            options = _parser().parse_args(arguments)
        finally:
            sys.stdout.flush()  # what `--help` prints
        with _lazy.Advice(), warnings.catch_warnings():
            warnings.showwarning = show_warning
            options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough. What is still buffered goes nowhere, since
        # Python would complain of it at its end.
        close_output()
        return _BROKEN_PIPE
    except (ImportError, OSError, ValueError, RuntimeError, MemoryError) as error:
        say("error", wording(error))
        return 2 if isinstance(error, _UsageError) else 1
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
    _add_printing(demo)
    demo.set_defaults(run=_demo)

    inspect = commands.add_parser(
        "inspect",
        help="print the per-layer table of a .dcz file",
        description="Prints what a .dcz file holds. TensorFlow is not needed.",
    )
    inspect.add_argument("file", metavar="FILE.dcz")
    inspect.add_argument(
        "--verify",
        action="store_true",
        help="decode all of the file first, against every checksum and every rule",
    )
    _add_printing(inspect)
    inspect.add_argument(
        "--plot",
        metavar="PICTURE",
        help="also draw the histograms of weights and gaps (.png, .svg, .pdf)",
    )
    inspect.set_defaults(run=_inspect)

    compress = commands.add_parser(
        "compress",
        help="turn a .keras, .h5, .tflite, .onnx, ... file into a .dcz file",
        description="Compresses a file without losing anything unless you ask for it, "
        "and prints the per-layer table and which way it took. It pays most for "
        "weights that were pruned or shared before. A .keras file becomes a model that "
        "`load_model` loads; HDF5 files become weights alone. Any other file is packed "
        "so that `extract` gives it back byte for byte, and so are these with --exact. "
        "What a file is, its contents tell, not its name.",
    )
    compress.add_argument(
        "file",
        metavar="FILE",
        help=".keras, .h5, .tflite, .onnx, .safetensors, .npz, "
        ".pt, or any other; or a folder with an index of .safetensors files",
    )
    compress.add_argument("output", metavar="OUT.dcz")
    compress.add_argument(
        "--coder",
        choices=list(CODERS),
        help="context makes files of pruned nets smaller (default: huffman; for files "
        "that are packed, the better one)",
    )
    compress.add_argument(
        "--exact",
        action="store_true",
        help="pack .keras and .h5 files byte for byte too, as all others",
    )
    smaller.add_options(compress)
    _add_loading(compress)
    _add_printing(compress)
    compress.set_defaults(run=_compress)

    extract = commands.add_parser(
        "extract",
        help="turn a .dcz file into a .keras, .weights.h5 or .npz file, or give back "
        "the file that was packed",
        description="Decodes a .dcz file. One that holds a packed file, such as a "
        ".tflite, gives it back byte for byte, or its tensors as .npz. Any other "
        "becomes what the suffix says; for .npz, TensorFlow is not needed.",
    )
    extract.add_argument("file", metavar="FILE.dcz")
    extract.add_argument(
        "output", metavar="OUT", help=".keras, .weights.h5, .npz; or what was packed"
    )
    _add_loading(extract)
    extract.set_defaults(run=_extract)

    runs = commands.add_parser(
        "run",
        help="compute what a .dcz file makes of an input, without TensorFlow",
        description="Computes from the compressed weights of a .dcz file, without "
        "Keras, and prints the largest outputs.",
    )
    running.add_options(runs)
    runs.set_defaults(run=running.run)
    writing.add_options(commands.add_parser("page", **writing.WORDS))

    exports = commands.add_parser(
        "export",
        help="turn a .dcz file into a C array, or a .tflite, .onnx or .mlpackage file",
        description="Writes a .dcz file as an array for a program in C, without "
        "TensorFlow; or its model as a file for another runtime, which it then tries "
        "beside Keras, if that runtime is installed.",
    )
    exporting.add_options(exports)
    exports.set_defaults(run=exporting.run)
    return parser


def _add_printing(command: argparse.ArgumentParser) -> None:
    printing = command.add_mutually_exclusive_group()
    printing.add_argument("--json", action="store_true", help="print JSON instead")
    printing.add_argument("--quiet", action="store_true", help="print no table")


def _add_loading(command: argparse.ArgumentParser) -> None:
    own_code.add_options(command)
    command.add_argument(
        "--no-compile",
        dest="compile",
        action="store_false",
        help="leave out the optimizer, the loss and the metrics",
    )


def _demo(options: argparse.Namespace) -> None:
    with chatter.filtered():
        from deepcompress.commands.demo import run  # noqa: PLC0415  (Keras is slow)

    console = Console(quiet=True) if options.json or options.quiet else None
    report = run(
        options.net, options.data, options.output, seed=options.seed, console=console
    )
    if options.json:
        print(_as_json(report))


def _inspect(options: argparse.Namespace) -> None:
    contents(options.file)
    with read(options.file) as opened:
        if options.verify:
            opened.verify()
        report = CompressionReport.of(opened)
    if options.plot:
        kind = Path(options.plot).suffix[1:] or "png"
        with atomic_writer(options.plot) as picture:
            report.plot().savefig(picture, format=kind)
    _print(report, options)
    if options.verify and not (options.json or options.quiet):
        print("Every checksum is right, and every rule holds.")


def _compress(options: argparse.Namespace) -> None:
    file, output = options.file, options.output
    if not output.endswith(".dcz"):
        raise _UsageError(f"The output must be a .dcz file. Received: {output!r}")
    if wrong := smaller.why_not(options):
        raise _UsageError(wrong)
    if options.exact and smaller.is_wanted(options):
        raise _UsageError("--exact changes nothing: leave out what changes weights.")
    way = ""
    kind = "foreign" if options.exact or exact.is_sharded(file) else contents(file)
    if kind == "unknown" and is_known(file):
        kind = "foreign"
    if smaller.is_wanted(options) and kind != "keras":
        raise _UsageError(
            f"Weights can be changed in a .keras file, which tells how the model "
            f"computes; {file!r} is none. Leave out --bits, --sparsity, --data and "
            "--max-change."
        )
    if kind == "keras":
        with chatter.filtered():
            report = _compress_model(options)
        way = "a model, its weights and architecture; --exact keeps the file itself"
    elif kind == "hdf5" or (kind == "unknown" and file.endswith((".h5", ".hdf5"))):
        report = importers.compress_h5(file, output, coder=options.coder or "huffman")
        way = "weights alone; --exact keeps the file itself"
        if _holds_architecture(file):
            say(
                "note",
                f"of {file!r}, the weights were kept and the architecture was left "
                "out. `HuffmanSerializer().load(path, model=model)` loads them.",
            )
    elif kind == "dcz":
        raise ValueError(f"{file!r} is a .dcz file already.")
    elif kind == "unknown" and file.endswith(".keras"):
        raise ValueError(f"{file!r} is neither an archive of Keras nor HDF5.")
    else:
        packed = pack(file, output, coder=options.coder)
        report = packed.table
        say("note", str(packed))
    if way and not (options.json or options.quiet):
        print(f"{file}: {way}")
    _print(report, options)


def _holds_architecture(file: str) -> bool:
    import h5py  # noqa: PLC0415

    with h5py.File(file, "r") as opened:
        return "model_config" in opened.attrs


def _compress_model(options: argparse.Namespace) -> CompressionReport:
    import keras  # noqa: PLC0415

    from deepcompress.saving.explaining import explain  # noqa: PLC0415
    from deepcompress.saving.reviving import revivers  # noqa: PLC0415
    from deepcompress.saving.serializer import HuffmanSerializer  # noqa: PLC0415

    file = options.file
    known = own_code.objects(options.custom_objects)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(file)
        if path.suffix != ".keras":  # without which Keras does not open it
            path = Path(folder, "model.keras")
            try:
                path.symlink_to(Path(file).resolve())
            except OSError:  # where links are a privilege
                shutil.copyfile(file, path)

        def load(compile: bool) -> "keras.Model":
            config = json.loads(zipfile.ZipFile(path).read("config.json"))
            try:
                return keras.models.load_model(
                    path,
                    {**known, **revivers(config, known)},
                    compile=compile,
                    safe_mode=options.safe_mode,
                )
            except Exception as error:  # Keras raises any, of many lines
                line = explain(error, config, known, options.safe_mode)
                raise ValueError(
                    f"Keras cannot load {file!r}; give classes and functions that it "
                    "does not know as --custom-objects MODULE:NAME, and let code that "
                    "you trust run by --no-safe-mode; or compress what "
                    f"`model.save_weights` has written. ({line or reason(error)})"
                ) from error

        model = _with_compilation(load, options)
    if not smaller.is_wanted(options):
        return HuffmanSerializer(coder=options.coder or "huffman").save(
            model, options.output
        )
    data = smaller.smaller(model, options)
    with atomic_writer(options.output) as written:
        written.write(data)
    return CompressionReport.from_file(options.output)


def _with_compilation(
    load: Callable[[bool], "keras.Model"], options: argparse.Namespace
) -> "keras.Model":
    """Returns a model compiled as it was, or not where that cannot be restored."""
    if not options.compile:
        return load(False)
    try:
        return load(True)
    except Exception as error:
        model = load(False)  # where this fails too, its reason is the one that counts
        say(
            "note",
            f"the compilation of {options.file!r} was left out, since Keras cannot "
            "restore it; give what it needs as --custom-objects MODULE:NAME. "
            f"({reason(error.__cause__ or error)})",
        )
        return model


def _print(report: CompressionReport, options: argparse.Namespace) -> None:
    if options.json:
        print(_as_json(report))
    elif not options.quiet:
        # A pipe has no width of its own.
        console = Console(width=None if sys.stdout.isatty() else 100)
        with console.capture() as captured:
            console.print(report.to_table())
        print(captured.get(), end="")


def _as_json(report: CompressionReport) -> str:
    return json.dumps(report.to_dict(), indent=2)


def _extract(options: argparse.Namespace) -> None:
    file, output = options.file, options.output
    contents(file)
    if exact.extract(file, output):
        return
    if not output.endswith((".npz", ".keras", ".weights.h5")):
        raise _UsageError(
            f"The suffix of {output!r} says no format. Use .keras, .weights.h5 or .npz."
        )
    if output.endswith(".npz"):
        with read(file) as weights:
            _refuse_assets(weights, output)
            for name in weights:
                if weights.dtype(name).kind == "V":
                    raise ValueError(
                        f"{name!r} is {weights.dtype(name)}, which .npz cannot hold. "
                        "Extract to .keras or .weights.h5."
                    )
            write_npz(output, weights)
        return
    with read(file) as weights:
        if weights.architecture is None:
            raise ValueError(
                f"{file!r} holds no architecture, so no model can be built. Extract "
                "to .npz."
            )
        if not output.endswith(".keras"):
            _refuse_assets(weights, output)
    with chatter.filtered():
        _extract_model(options)


def _refuse_assets(weights: Container, output: str) -> None:
    """Refuses to leave out what layers keep besides weights."""
    if weights.assets:
        raise ValueError(
            f"{output!r} cannot hold what layers keep besides weights: "
            f"{', '.join(map(repr, weights.assets))}. Extract to .keras, or take it "
            "from `deepcompress.read(file).assets`."
        )


def _extract_model(options: argparse.Namespace) -> None:
    from deepcompress.saving.serializer import load_model  # noqa: PLC0415

    output = options.output
    known = own_code.objects(options.custom_objects)

    def load(compile: bool) -> "keras.Model":
        # Weights alone go without the state of an optimizer that has never stepped.
        compile = compile and output.endswith(".keras")
        return load_model(
            options.file,
            custom_objects=known,
            compile=compile,
            safe_mode=options.safe_mode,
        )

    model = _with_compilation(load, options)
    target = Path(output)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder of {output!r} does not exist.")
    # Where the disk is full, HDF5 may end the process.
    check_room(output, sum(weight.numpy().nbytes for weight in model.weights))
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        complete = Path(folder, target.name)
        if output.endswith(".keras"):
            model.save(complete)
        else:
            model.save_weights(complete)
        complete.replace(target)
