"""What the layers of a model keep besides weights, as files, and back.

Files are those that a layer's `save_assets` writes. The arrays that a layer puts into
its store by `save_own_variables`, and that are none of its weights, make one more.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepcompress.dcz import container
from deepcompress.dcz.assets import check_name
from deepcompress.errors import CorruptFileError
from deepcompress.network.distribution import give, values_of
from deepcompress.network.internals import flatten_layers

# Holds the arrays of a layer, and is a `.dcz` file itself.
VARIABLES = "variables.dcz"
# What its arrays are: values, or which of the layer's weights has the value.
_VALUES, _WEIGHTS = "values", "weights"
# The file of Keras' own layers that look words up.
_WORDS = "vocabulary.txt"


def collect(model: keras.Model) -> dict[str, bytes]:
    """Returns what the layers of a model keep besides weights.

    The name of a layer in it does not depend on how many layers Keras has counted.

    Args:
        model: A built model.

    Returns:
        Bytes by names such as `"words/vocabulary.txt"`.

    Raises:
        ValueError: A layer keeps what cannot be given back.
    """
    assets = {}
    for place, layer in _keepers(model):
        with _named(layer, "saved"):
            for file, content in _files_of(layer).items():
                # What stands before the last slash is the layer.
                leaf = file.replace("%", "%25").replace("/", "%2F")
                name = f"{place}/{leaf}" if place else leaf
                check_name(name)
                assets[name] = content
    return assets


def match(
    assets: Mapping[str, bytes], model: keras.Model
) -> list[tuple[Any, dict[str, bytes]]]:
    """Returns the layers of a model with the files of each.

    By the place in the tree of layers, or in order where names differ.

    Args:
        assets: What `collect` has returned, or anything else.
        model: A built model.

    Raises:
        ValueError: The files are not those of the model's layers.
    """
    by_place: dict[str, dict[str, bytes]] = {}
    for name, content in assets.items():
        place, _, leaf = name.rpartition("/")
        file = leaf.replace("%2F", "/").replace("%25", "%")
        by_place.setdefault(place, {})[file] = content
    if not by_place:
        return []
    layers = dict(_keepers(model))
    if by_place.keys() <= layers.keys():
        return [(layers[place], files) for place, files in by_place.items()]
    if len(by_place) == len(layers):
        return list(zip(layers.values(), by_place.values(), strict=True))
    raise ValueError(
        f"The file holds what {_listed(by_place)} keep besides weights, such as a "
        f"vocabulary; in the model, {_listed(layers)} can be given it."
    )


def give_back(pairs: Iterable[tuple[Any, dict[str, bytes]]]) -> None:
    """Gives layers what they have kept.

    Args:
        pairs: What `match` has returned. The layers' weights have their values.

    Raises:
        CorruptFileError: The arrays of a layer are damaged.
        ValueError: A layer refuses its files.
    """
    for layer, files in pairs:
        with _named(layer, "loaded"):
            rest = dict(files)
            store = _unpacked(layer, rest.pop(VARIABLES, None))
            if "idf_weights" in store and _WORDS in rest and _looks_up(layer):
                # Keras pads the weights, and does not take them back by `load_assets`.
                words = rest[_WORDS].decode().splitlines()
                weights = store["idf_weights"][: len(words)]
                layer.set_vocabulary(_as_tokens(layer, words), idf_weights=weights)
                continue
            # Arrays first, as Keras does.
            if isinstance(layer, keras.layers.Discretization) and store:
                layer.bin_boundaries = store["bin_boundaries"].tolist()
            elif store:
                layer.load_own_variables(store)
            if rest:
                with tempfile.TemporaryDirectory() as folder:
                    for file, content in rest.items():
                        _write_inside(Path(folder), file, content)
                    layer.load_assets(folder)


def copy(source: keras.Model, target: keras.Model) -> None:
    """Gives the layers of a copy what those of the model keep besides weights.

    Args:
        source: A built model.
        target: One of the same layers, whose weights stay as they are.

    Raises:
        ValueError: A layer keeps what cannot be given back.
    """
    pairs = match(collect(source), target)
    # What a layer has stored in a way of its own has its weights in it, too.
    weights = [weight for layer, _ in pairs for weight in layer.weights]
    before = [(weight, values_of(weight)) for weight in weights]
    give_back(pairs)
    for weight, values in before:
        give(weight, values)


def _keepers(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yields the layers that may keep something, each with its place."""
    done: set[int] = set()
    for place, layer in [("", model), *_walk(model, "")]:
        if id(layer) in done:
            continue
        done.add(id(layer))
        if hasattr(layer, "save_assets"):
            yield place, layer
            # Such a layer of Keras' own saves for those inside it.
            if _is_of_keras(layer, "save_assets"):
                done.update(map(id, flatten_layers(layer)))
        elif _may_have_more_than_weights(layer):
            yield place, layer


def _walk(layer: Any, parent: str) -> Iterator[tuple[str, Any]]:
    children = list(flatten_layers(layer, include_self=False, recursive=False))
    for name, child in zip(
        places([child.name for child in children]), children, strict=True
    ):
        place = f"{parent}/{name}" if parent else name
        yield place, child
        yield from _walk(child, place)


def places(names: list[str]) -> list[str]:
    """Returns the names of sibling layers with Keras' numbers beginning anew.

    Example:

    >>> places(["words", "dense_9", "dense_7"])
    ['words', 'dense_1', 'dense']
    """

    def split(name: str) -> tuple[str, int]:
        base, _, number = name.rpartition("_")
        is_counted = bool(base) and number.isdecimal()
        return (base, int(number)) if is_counted else (name, 0)

    counted: Counter[str] = Counter()
    ranked = [""] * len(names)
    numbered = list(ranked)
    for index in sorted(range(len(names)), key=lambda i: split(names[i])):
        base = split(names[index])[0]
        numbered[index] = f"{base}_{counted[base]}"
        ranked[index] = numbered[index] if counted[base] else base
        counted[base] += 1
    # "a_1" may be the second of "a", or the first of "a_1".
    return ranked if len({*ranked}) == len(ranked) else numbered


def _files_of(layer: Any) -> dict[str, bytes]:
    files = {}
    if hasattr(layer, "save_assets") and not _is_empty(layer):
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    file = path.relative_to(folder).as_posix()
                    files[file] = path.read_bytes()
        if files and not hasattr(layer, "load_assets"):
            raise ValueError("it has `save_assets`, but no `load_assets`.")
        if VARIABLES in files:
            raise ValueError(f"its `save_assets` writes a file named {VARIABLES!r}.")
        _check_vocabulary(layer, files)
    if variables := _variables_of(layer):
        files[VARIABLES] = variables
    return files


def _variables_of(layer: Any) -> bytes:
    """Returns the arrays that a layer stores besides its weights, none as no bytes."""
    store: dict[str, Any] = {}
    if isinstance(layer, keras.layers.Discretization):
        if layer.num_bins is not None and layer.bin_boundaries is not None:
            # Keras has them in the config, which a file of weights alone lacks.
            store["bin_boundaries"] = np.asarray(layer.bin_boundaries, "float64")
    elif _may_have_more_than_weights(layer):
        layer.save_own_variables(store)
    weights = {id(weight): index for index, weight in enumerate(layer.weights)}
    is_of_keras = _is_of_keras(layer, "save_own_variables", "load_own_variables")
    if is_of_keras and len(store) <= len(weights):
        return b""  # Keras' own layers store their weights, in one way or another.
    arrays = {}
    for key, value in store.items():
        if id(value) in weights:
            arrays[f"{_WEIGHTS}/{key}"] = np.array(weights[id(value)], "int64")
        else:
            is_tensor = keras.ops.is_tensor(value) or isinstance(value, keras.Variable)
            array = keras.ops.convert_to_numpy(value) if is_tensor else value
            arrays[f"{_VALUES}/{key}"] = np.asarray(array)
    file = io.BytesIO()
    if arrays:
        container.write(file, arrays)
    return file.getvalue()


def _unpacked(layer: Any, packed: bytes | None) -> dict[str, Any]:
    """Returns the store of a layer."""
    store: dict[str, Any] = {}
    if packed is None:
        return store
    with container.read(packed) as arrays:
        for name, array in arrays.items():
            kind, _, key = name.partition("/")
            if kind == _VALUES:
                store[key] = array
            elif kind == _WEIGHTS and 0 <= (index := int(array)) < len(layer.weights):
                store[key] = keras.ops.convert_to_numpy(layer.weights[index])
            else:
                raise ValueError(f"it has no weight for {name!r}.")
    return store


def _may_have_more_than_weights(layer: Any) -> bool:
    """Whether a layer stores variables in its own way."""
    methods = (type(layer).save_own_variables, type(layer).load_own_variables)
    base = keras.Layer.save_own_variables, keras.Layer.load_own_variables
    return methods != base


def _is_of_keras(layer: Any, *methods: str) -> bool:
    modules = [getattr(type(layer), method).__module__ for method in methods]
    return all(module.startswith("keras.") for module in modules)


def _is_empty(layer: Any) -> bool:
    """Whether a layer looks words up, but has not seen any: Keras cannot load that."""
    return _looks_up(layer) and not layer.get_vocabulary(include_special_tokens=False)


def _looks_up(layer: Any) -> bool:
    """Whether a layer is one of Keras' own with a vocabulary."""
    return hasattr(layer, "get_vocabulary") and _is_of_keras(layer, "save_assets")


def _as_tokens(layer: Any, words: list[str]) -> list[Any]:
    is_number = isinstance(layer, keras.layers.IntegerLookup)
    return list(map(int, words)) if is_number else words


def _check_vocabulary(layer: Any, files: dict[str, bytes]) -> None:
    """Refuses a vocabulary that Keras would not give back from its own file."""
    if not _looks_up(layer):
        return
    words = [str(word) for word in layer.get_vocabulary()]
    if _WORDS in files:
        if files[_WORDS].decode().splitlines() != words or not words[-1]:
            raise ValueError(
                "its vocabulary has a word with a line break, or an empty one at the "
                "end, which Keras' own file does not keep. Pass the vocabulary to the "
                "layer as `vocabulary=`."
            )
        return
    given = layer.get_config().get("vocabulary")
    words = [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    if given is not None and [str(word) for word in given][-len(words) :] != words:
        raise ValueError(
            "its vocabulary is no longer the one it was made with, and Keras saves "
            "that one. Make the layer without `vocabulary=`."
        )


def _write_inside(folder: Path, file: str, content: bytes) -> None:
    check_name(file)
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{file!r} lies outside its folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@contextmanager
def _named(layer: Any, done: str) -> Iterator[None]:
    """Says which layer it is whose state cannot be kept."""
    try:
        yield
    except CorruptFileError:
        raise
    except Exception as error:  # what layers of the user's own raise may be anything
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"What the layer {layer.name!r} keeps besides its weights cannot be "
            f"{done}: {reason or type(error).__name__}"
        ) from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "no layer"
