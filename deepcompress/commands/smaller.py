"""`deepcompress compress` with a loss: bits, sparsity, and a bound on what changes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

# Says instead of a file that images are to be made up.
_SYNTHETIC = "synthetic"
_NAMES = ("bits", "sparsity", "max_change", "data")


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds the options that change weights."""
    options = command.add_argument_group(
        "without training, for .keras files",
        "What follows changes the weights. With --data, layer after layer is changed "
        "so that what comes out of it stays near; some hundred inputs are enough.",
    )
    options.add_argument(
        "--bits",
        type=int,
        metavar="N",
        help="share weights: at most 2^N values a tensor",
    )
    options.add_argument(
        "--sparsity", type=float, metavar="S", help="prune so large a part, such as 0.5"
    )
    options.add_argument(
        "--data",
        metavar="FILE.npy|FILE.npz|synthetic",
        help="inputs without labels; `synthetic` makes images up",
    )
    options.add_argument(
        "--max-change",
        type=float,
        metavar="C",
        help="find the smallest file that changes at most so large a part of the "
        "decisions, such as 0.01, on inputs held back from --data",
    )


def is_wanted(options: argparse.Namespace) -> bool:
    """Whether any of these options is given."""
    return any(getattr(options, name) is not None for name in _NAMES)


def why_not(options: argparse.Namespace) -> str | None:
    """Says what is wrong with the options together, if anything is."""
    has_settings = options.bits is not None or options.sparsity is not None
    if options.max_change is not None:
        if options.data in {None, _SYNTHETIC}:
            return "--max-change needs real inputs to measure with: --data FILE.npy."
        if has_settings:
            return (
                "--max-change finds bits and sparsity itself: leave out --bits and "
                "--sparsity."
            )
    elif options.data is not None and not has_settings:
        return "--data is of use with --bits, --sparsity or --max-change."
    return None


def smaller(model: "keras.Model", options: argparse.Namespace) -> bytes:
    """Returns the file of a model with its weights changed as is asked for."""
    from deepcompress.pruning.prune import prune  # noqa: PLC0415  (Keras is slow)
    from deepcompress.saving.serializer import HuffmanSerializer  # noqa: PLC0415
    from deepcompress.search.compress import compress  # noqa: PLC0415
    from deepcompress.sharing import WeightSharingQuantizer  # noqa: PLC0415

    data = None if options.data is None else _inputs(options.data)
    is_quiet = options.quiet or options.json
    if options.max_change is not None:
        result = compress(
            model,
            data,
            max_change=options.max_change,
            coder=options.coder or "huffman",
            verbose=0 if is_quiet else 1,
        )
        if not result.is_met:
            raise ValueError(
                f"No file keeps within --max-change {options.max_change:g}: the "
                f"nearest changes {result.best.value:g}. Allow more, or give more "
                "inputs."
            )
        return result.data
    if options.sparsity is not None:
        prune(
            model,
            options.sparsity,
            scope="layer" if data is None else "global",
            data=data,
            verbose=0 if is_quiet else 1,
        )
    if options.bits is not None:
        sharing = WeightSharingQuantizer(
            options.bits, init="optimal", verbose=0 if is_quiet else 1
        )
        sharing.quantize(model, data=data)
    return HuffmanSerializer(coder=options.coder or "huffman").dumps(model)


def _inputs(file: str) -> Any:
    """Returns the inputs in a file: an array, or several by name."""
    if file == _SYNTHETIC:
        return file
    try:
        loaded = np.load(file, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        arrays = {name: loaded[name] for name in loaded.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it is an archive of something else")
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{Path(file).name!r} is neither .npy nor .npz with plain arrays: {error}"
        ) from None
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
