"""Steps that make numbers of texts and categories."""

import re
from itertools import pairwise

import numpy as np

from deepcompress.runtime.arrays import Arrays
from deepcompress.runtime.program import Operation
from deepcompress.runtime.steps.room import contradiction, room_for
from deepcompress.runtime.steps.step import Builder, Step

_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")
_STANDARDIZE = ("", "lower", "strip_punctuation", "lower_and_strip_punctuation")
_SPLIT = ("", "whitespace", "character")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _lookup(operation: Operation, weights: Arrays) -> Step:
    words = operation["words"]
    if operation["asset"]:
        words = weights.asset(operation["asset"])
    vocabulary = words.split("\n")
    unknown = operation["unknown"]
    if operation["is_inverse"]:
        return Step(lambda x: _inverse(x, vocabulary, unknown))
    numbers = {word: number for number, word in enumerate(vocabulary)}
    is_text = operation["is_text"]

    def run(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(-1).tolist()
        words = map(_text, flat) if is_text else (str(int(value)) for value in flat)
        found = [numbers.get(word, unknown) for word in words]
        if unknown < 0 and min(found, default=0) < 0:
            raise ValueError("There are values that the vocabulary does not hold.")
        return np.array(found, np.int64).reshape(x.shape)

    return Step(run)


def _inverse(x: np.ndarray, vocabulary: list[str], unknown: int) -> np.ndarray:
    flat = x.reshape(-1).astype(np.int64)
    inside = (flat >= 0) & (flat < len(vocabulary))
    words = np.array(vocabulary, object)[np.where(inside, flat, max(unknown, 0))]
    return words.reshape(x.shape)


def _tokenize(operation: Operation, _weights: Arrays) -> Step:
    standardize, split = operation["standardize"], operation["split"]
    if standardize not in _STANDARDIZE or split not in _SPLIT:
        raise contradiction(f"texts by {standardize!r} and {split!r}")
    length, ngrams = operation["length"], operation["ngrams"]

    def tokens(value: object) -> list[str]:
        text = _text(value)
        text = text.lower() if "lower" in standardize else text
        text = _PUNCTUATION.sub("", text) if "strip" in standardize else text
        words = {"": [text], "whitespace": text.split(), "character": list(text)}[split]
        return _ngrams(words, ngrams) if ngrams else words

    def run(x: np.ndarray) -> np.ndarray:
        rows = [tokens(value) for value in x.reshape(len(x), -1)[:, 0].tolist()]
        width = length or max(map(len, rows), default=0)
        room_for((len(rows), width), 8)
        made = np.full((len(rows), width), "", object)
        for row, words in zip(made, rows, strict=True):
            row[: len(words)] = words[:width]
        return made

    return Step(run)


def _ngrams(words: list[str], sizes: tuple[int, ...]) -> list[str]:
    return [
        " ".join(words[begin : begin + size])
        for size in sizes
        for begin in range(len(words) - size + 1)
    ]


def _count(operation: Operation, _weights: Arrays) -> Step:
    function, depth = operation["function"], operation["depth"]
    if not 0 < depth < 1 << 30:
        raise contradiction(f"{depth} categories as {function!r}")

    def run(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.int64)
        if x.size and not 0 <= x.min() <= x.max() < depth:
            raise ValueError(f"Categories must be 0 to {depth - 1}.")
        if function == "one_hot":
            x = x[..., 0] if x.shape[-1] == 1 else x
            room_for((*x.shape, depth))
            made: np.ndarray = (x[..., None] == np.arange(depth)).astype(np.float32)
            return made
        rows = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x[:, None]
        room_for((len(rows), depth))
        made = np.zeros((len(rows), depth), np.float32)
        np.add.at(made, (np.arange(len(rows))[:, None], rows), np.float32(1))
        if function == "multi_hot":
            made = np.minimum(made, np.float32(1))
        return made.reshape(*x.shape[:-1], depth) if x.ndim > 1 else made

    return Step(run)


def _discretize(operation: Operation, _weights: Arrays) -> Step:
    bounds = operation["array"].reshape(-1)
    if any(one > other for one, other in pairwise(bounds.tolist())):
        raise contradiction("bounds that do not ascend")
    return Step(lambda x: np.searchsorted(bounds, x, side="right").astype(np.int64))


BUILDERS: dict[str, Builder] = {
    "lookup": _lookup,
    "tokenize": _tokenize,
    "count": _count,
    "discretize": _discretize,
}
