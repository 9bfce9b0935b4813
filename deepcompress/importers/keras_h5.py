"""Weights that Keras 2 and 3 wrote as HDF5: from file to file, without the model."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import h5py
import numpy as np

from deepcompress.dcz import container
from deepcompress.dcz.directory import DTYPES
from deepcompress.dcz.report import CompressionReport
from deepcompress.errors import CorruptFileError

_ADVICE = "Load it into its model, and save that with `deepcompress.HuffmanSerializer`."
# Keras 3 numbers the weights of a layer. What they are follows from the layer's class,
# after which Keras names the members of a list; an attribute's name says nothing.
# Where as many weights can mean different things, they keep their numbers, which the
# model knows as well.
_NAMES = {
    name: tuple(leaves.split())
    for names, leaves in {
        "dense conv1d conv2d conv3d conv1d_transpose conv2d_transpose "
        "conv3d_transpose depthwise_conv1d depthwise_conv2d einsum_dense": (
            "kernel bias"
        ),
        "separable_conv1d separable_conv2d": "depthwise_kernel pointwise_kernel bias",
        "embedding": "embeddings",
        "p_re_lu": "alpha",
        "batch_normalization": "gamma beta moving_mean moving_variance",
        "layer_normalization group_normalization": "gamma beta",
        "rms_normalization": "scale",
    }.items()
    for name in names.split()
}
# Layers that a layer of Keras has as attributes, and what it calls them.
_PARTS = {
    "query_dense": ("query", ("kernel", "bias")),
    "key_dense": ("key", ("kernel", "bias")),
    "value_dense": ("value", ("kernel", "bias")),
    "output_dense": ("attention_output", ("kernel", "bias")),
    "cell": (
        "lstm_cell gru_cell simple_rnn_cell conv_lstm_cell",
        ("kernel", "recurrent_kernel", "bias"),
    ),
}
# What Keras calls its optimizers where they have no other name.
_OPTIMIZERS = (
    "sgd adam adam_w adamax nadam rm_sprop adagrad adadelta adafactor ftrl lion lamb "
    "muon schedule_free_adam_w loss_scale_optimizer multi_optimizer"
).split()


def compress_h5(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    coder: str = "huffman",
) -> CompressionReport:
    """Compresses weights that Keras wrote as HDF5 to a `.dcz` file.

    Nothing is lost, the model is not built, and Keras is not needed. It reads the
    `.h5` files of Keras 2, with or without the architecture, which Keras 3 writes too,
    and the `.weights.h5` files of Keras 3. The state of an optimizer is left out.

    The `.dcz` file holds no architecture. It loads into the model by
    `HuffmanSerializer().load(output, model=model)`. A `.weights.h5` file has numbers in
    place of names; what is not known to be a kernel or the like keeps its number
    (`"norm/0"`), and `load` asks the model which of its weights Keras saves there.

    Args:
        path: The HDF5 file.
        output: The `.dcz` file, written as by `HuffmanSerializer.save`.
        coder: As in `HuffmanSerializer`. Defaults to `"huffman"`.

    Warns:
        UserWarning: Weights are of a layer that Keras 3 does not have (`CuDNNLSTM`).

    Returns:
        The paper's per-layer table of the file.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: The file is damaged, or not HDF5.
        ValueError: The file is not from Keras, or does not tell whose its weights are,
            as the `.weights.h5` files of older versions of Keras 3.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(Path(folder, "old.h5"), "w") as file:
    ...         file.attrs["layer_names"] = [b"dense"]
    ...         file.create_group("dense").attrs["weight_names"] = [b"dense/kernel:0"]
    ...         file["dense/dense/kernel:0"] = np.eye(3, dtype="float32")
    ...     report = compress_h5(Path(folder, "old.h5"), Path(folder, "new.dcz"))
    ...     list(container.read(Path(folder, "new.dcz")))
    ['dense/kernel']
    """
    label = repr(os.fspath(path))
    with _open(path) as file:
        try:
            datasets = _datasets(file)
        except (KeyError, OSError, RuntimeError, UnicodeError) as error:
            raise CorruptFileError(f"{label} is damaged: {error}") from None
        except ValueError as error:
            raise type(error)(f"{label}: {error}") from None
        if not datasets:
            raise ValueError(f"{label} holds no weights of a Keras model.")
        for layer, kind in _of_cudnn(datasets):
            warnings.warn(
                f"{label}: the layer {layer!r} is a CuDNN{kind}, which Keras 3 has "
                f"not: its weights are kept, but load into no {kind}. Load the file "
                f"with TensorFlow 2.15 into a model with {kind} in its place, and save "
                "that.",
                stacklevel=2,
            )
        arrays = _Arrays(label, datasets)
        return CompressionReport(*container.write(output, arrays, coder=coder))


class _Arrays(Mapping[str, np.ndarray]):
    """Datasets by name, each read when it is asked for."""

    def __init__(self, label: str, datasets: dict[str, h5py.Dataset]) -> None:
        self._label = label
        self._datasets = datasets

    def __getitem__(self, name: str) -> np.ndarray:
        dataset = self._datasets[name]
        try:
            array: np.ndarray = dataset[()]
        except (OSError, RuntimeError) as error:
            raise CorruptFileError(
                f"{self._label} is damaged, in {name!r}: {error}"
            ) from None
        return array.view(_dtype(dataset))

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)


def _open(path: str | os.PathLike[str]) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {os.fspath(path)!r}.") from None
    except (IsADirectoryError, PermissionError):
        raise
    except OSError as error:
        raise CorruptFileError(
            f"{os.fspath(path)!r} is not an HDF5 file, or is damaged: {error}"
        ) from None


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Returns the weights by the names that `HuffmanSerializer` gives them."""
    root = _child(file, "model_weights") if "model_weights" in file else file
    is_keras_2 = "layer_names" in root.attrs or "layer_names0" in root.attrs
    datasets: dict[str, h5py.Dataset] = {}
    for name, dataset in _keras_2(root) if is_keras_2 else _keras_3(file):
        datasets[_unused(name, datasets)] = dataset
    n_bytes = sum(map(_n_bytes, datasets.values()))
    if n_bytes > container.MAX_BYTES:
        raise CorruptFileError(
            f"its weights would take {n_bytes:,} bytes of memory, more than the "
            f"{container.MAX_BYTES:,} allowed."
        )
    # What belongs to a layer stays together. (Keras 2 lists what a nested model does
    # not train behind everything else.)
    places: dict[str, int] = {}
    for name in datasets:
        places.setdefault(name.rpartition("/")[0], len(places))
    order = sorted(datasets, key=lambda name: places[name.rpartition("/")[0]])
    return {name: datasets[name] for name in order}


def _keras_2(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields the weights of the layers, which the file lists with their weights."""
    layers = _texts(root, "layer_names")
    if "top_level_model_weights" in root:  # those of the model itself
        layers = ["top_level_model_weights", *layers]
    for layer in layers:
        group = _child(root, layer)
        for path in _texts(group, "weight_names"):
            name = path.removesuffix(":0")
            if layer == "top_level_model_weights":
                name = name.rpartition("/")[2]
            else:
                # Before the layer's name come those of models around it, or it is
                # left out itself.
                below = f"/{name}".partition(f"/{layer}/")[2]
                name = f"{layer}/{below or name}"
            yield name, _child(group, path, h5py.Dataset)


def _keras_3(
    group: h5py.Group, key: str = "", path: str = "", *, is_listed: bool = False
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields the weights of an object of the model and of all that it holds.

    Args:
        group: The group of the object.
        key: The name of the group.
        path: The names of the layers down to the object.
        is_listed: Whether it is a member of a list, not an attribute.

    Raises:
        ValueError: The file does not name its layers.
    """
    children = sorted(
        (
            name
            for name in group
            if name != "vars" and group.get(name, getclass=True) is not h5py.Dataset
        ),
        key=_place,
    )
    if "vars" in group:
        own = _child(group, "vars")
        name = own.attrs.get("name")
        if key and name is not None:
            path = f"{path}/{name}" if path else str(name)
        if len(own) and name is None:
            raise ValueError(
                "it does not name its layers, as older versions of Keras 3 did not. "
                f"{_ADVICE}"
            )
        leaves = _leaves(len(own), _known(key, str(name), is_listed))
        for index, leaf in enumerate(leaves):
            dataset = _child(own, str(index), h5py.Dataset)
            yield f"{path}/{leaf}" if path else leaf, dataset
    for name in children:
        child = _child(group, name)
        # Neither is a weight of the model.
        if name != "seed_generator" and not _is_optimizer(name, child):
            is_list = "vars" not in group
            yield from _keras_3(child, name, path, is_listed=is_list)


def _is_optimizer(key: str, group: h5py.Group) -> bool:
    """Whether a group holds the state of an optimizer, which begins with a count.

    That of the model, of a model inside it that was compiled by itself, or another that
    the model has as an attribute.
    """
    if "vars" not in group:
        return False
    own = _child(group, "vars")
    # The second of a kind in a process has a number behind it.
    base = re.sub(r"_\d+$", "", str(own.attrs.get("name")))
    is_named = key.endswith("optimizer") or base in _OPTIMIZERS
    if not is_named or not len(own):
        return is_named
    steps = _child(own, "0", h5py.Dataset)
    return not steps.shape and steps.dtype.kind in "iu"


def _place(key: str) -> tuple[bool, str, int]:
    """Sorts groups as the layers of a model, as far as their names tell."""
    base, _, number = key.rpartition("_")
    if not number.isdecimal():
        base, number = key, "0"
    return base == "backward_layer", base, int(number)


def _known(key: str, name: str, is_listed: bool) -> tuple[str, ...]:
    """Returns what all weights of a layer are called, as far as the file tells.

    Args:
        key: What Keras called the layer's group.
        name: The layer's name.
        is_listed: Whether the group is that of a member of a list.
    """
    key, name = (re.sub(r"_\d+$", "", each) for each in (key, name))
    if is_listed:
        return _NAMES.get(key, ())
    named, leaves = _PARTS.get(key, ("", ()))
    return leaves if name in named.split() else ()


def _leaves(n: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of so many weights of a layer, or numbers."""
    if n == len(names) or (n == len(names) - 1 and names[-1] == "bias"):
        return names[:n]
    return tuple(map(str, range(n)))


def _of_cudnn(datasets: dict[str, h5py.Dataset]) -> Iterator[tuple[str, str]]:
    """Yields the layers of Keras 2 for NVIDIA's kernels, and what they stand for.

    Theirs is one bias as long as both of each gate together.
    """
    for name, dataset in datasets.items():
        layer, _, leaf = name.rpartition("/")
        recurrent = datasets.get(f"{layer}/recurrent_kernel")
        if leaf == "bias" and recurrent is not None and len(recurrent.shape) == 2:
            units, gates = recurrent.shape
            kind = {4 * units: "LSTM", 3 * units: "GRU"}.get(gates)
            if kind and dataset.shape == (2 * gates,):
                yield layer, kind


def _child(group: h5py.Group, path: str, kind: type[Any] = h5py.Group) -> Any:
    """Returns what stands in a group, which must not lead out of the file.

    Raises:
        CorruptFileError: There is no such group or dataset, or it leads elsewhere.
    """
    *above, last = [part for part in path.split("/") if part] or [""]
    for part in above:
        group = _child(group, part)
    link = group.get(last, getlink=True)
    child = group.get(last) if isinstance(link, h5py.HardLink) else None
    if not isinstance(child, kind):
        raise CorruptFileError(
            f"{group.name}/{last} is not a {kind.__name__.lower()} in the file."
        )
    if h5py.h5o.get_info(child.id).rc > 1:  # which could go in circles
        raise CorruptFileError(f"{child.name} stands in several places of the file.")
    if isinstance(child, h5py.Dataset) and (child.external or child.is_virtual):
        raise CorruptFileError(f"{child.name} is stored in another file.")
    return child


def _texts(group: h5py.Group, name: str) -> list[str]:
    """Returns a list of texts, which Keras splits where it is too long."""
    if name in group.attrs:
        parts = [group.attrs[name]]
    else:
        parts = []
        while f"{name}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{name}{len(parts)}"])
    return [
        text.decode() if isinstance(text, bytes) else str(text)
        for part in parts
        for text in np.atleast_1d(part).tolist()
    ]


def _dtype(dataset: h5py.Dataset) -> np.dtype:
    """Returns the dtype of the weights: HDF5 has no bfloat16, and Keras notes it.

    Raises:
        ValueError: No `.dcz` file can hold such a dtype.
    """
    dtype: np.dtype = dataset.dtype
    if dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":
        import ml_dtypes  # noqa: PLC0415  (only the few files with such a dtype)

        dtype = np.dtype(ml_dtypes.bfloat16)
    if dtype.name not in DTYPES:
        raise ValueError(
            f"{dataset.name} holds {dtype}, which a .dcz file cannot hold."
        )
    return dtype


def _n_bytes(dataset: h5py.Dataset) -> int:
    shape: tuple[int, ...] = dataset.shape
    return prod(shape) * _dtype(dataset).itemsize


def _unused(name: str, taken: Mapping[str, object]) -> str:
    number, unused = 0, name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused
