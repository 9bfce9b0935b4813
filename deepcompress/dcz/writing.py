"""Arrays as a file with its report: the other half of `read`."""

import os
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from deepcompress.dcz import container
from deepcompress.dcz.assets import pack_assets
from deepcompress.dcz.parts import ASSETS, Part, as_parts
from deepcompress.dcz.report import CompressionReport


def write(
    file: str | os.PathLike[str] | BinaryIO,
    arrays: Mapping[str, np.ndarray],
    *,
    architecture: str | None = None,
    coder: str = "huffman",
    assets: Mapping[str, bytes] | None = None,
    parts: Mapping[str, bytes] | None = None,
) -> CompressionReport:
    """Writes named arrays as a `.dcz` file, losslessly.

    The other half of `read`: neither TensorFlow nor Keras is needed. What two names
    share before their last slash is their layer; the arrays of a layer that follow each
    other are stored together and read together. A file that `read` has opened can be
    given as it is, to write it with another coder.

    Args:
        file: A path, usually with the suffix `.dcz`; the file takes its name only once
            it is complete. Or a file that is open for writing bytes.
        arrays: Arrays of any shape by their names, such as `"conv1/kernel"`. Each is
            asked for once, one after the other.
        architecture: The model's architecture as JSON, so that `load_model` can load
            the file: what `read` gives as `architecture`, or `model.to_json()`.
            Defaults to `None`: the file holds arrays alone.
        coder: The entropy coder: `"huffman"`, or `"context"` for smaller files that
            take longer to write and to read. Defaults to `"huffman"`.
        assets: What layers keep besides weights, by names such as
            `"words/vocabulary.txt"`: what `read` gives as `assets`. Defaults to `None`.
        parts: Bytes for other programs, by names of a-z, 0-9 and `-`. Readers that do
            not know a name pass over it. What `read` gives as `parts` may be handed on
            as it is, with the assets in it. Defaults to `None`.

    Returns:
        The paper's per-layer table of the file.

    Raises:
        TypeError: An array has a dtype that cannot be stored, or `arrays`,
            `assets` or `parts` is no mapping from names.
        ValueError: A name is empty, or begins or ends with a slash, that of an asset
            leaves its folder, that of a part has other characters, a part is empty, or
            the assets are given twice, or `coder` is not known.
        OSError: The file cannot be written.

    Example:

    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from deepcompress.dcz.container import read
    >>> kernel = np.zeros((100, 10), "float32")
    >>> kernel[::7] = 0.5
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.dcz")
    ...     report = write(path, {"dense/kernel": kernel})
    ...     with read(path) as weights:
    ...         print(np.array_equal(weights["dense/kernel"], kernel))
    True
    >>> report.n_weights, report.size < 100
    (1000, True)
    """
    if not isinstance(arrays, Mapping):
        raise TypeError(
            "`arrays` must be a mapping from names to arrays. Received: "
            f"arrays={arrays!r}"
        )
    all_parts = as_parts(parts)
    if packed := pack_assets(assets):
        if any(part.name == ASSETS for part in all_parts):
            raise ValueError("`assets` are given, and a part 'assets' besides.")
        all_parts.insert(0, Part(ASSETS, packed))
    written = container.write(
        file, arrays, architecture=architecture, coder=coder, parts=all_parts
    )
    sizes = {part.name: len(part.data) for part in all_parts}
    return CompressionReport(*written, parts=sizes)
