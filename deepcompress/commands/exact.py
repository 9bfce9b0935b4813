"""`deepcompress extract` for files that come back byte for byte."""

from pathlib import Path

from deepcompress._files import write_npz
from deepcompress.dcz.container import read
from deepcompress.dcz.foreign.unpacking import packed_layout, unpack

_ANY_SIZE = 1 << 62  # only the layout is read
_INDEX = "*.safetensors.index.json"
# What a name promises: another kind under it would be taken for a conversion.
_PROMISES = {
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".npy": "npy",
    ".keras": "keras",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".pt": "pt",
    ".pth": "pt",
}


def is_sharded(path: str) -> bool:
    """Whether a folder holds `.safetensors` files with an index."""
    return Path(path).is_dir() and any(Path(path).glob(_INDEX))


def extract(file: str, output: str) -> bool:
    """Gives back what was packed; `False` where nothing was.

    Args:
        file: A `.dcz` file.
        output: Where to. With the suffix `.npz`, for what was none, the tensors.

    Raises:
        ValueError: The name promises another kind of file.
    """
    with read(file, max_bytes=_ANY_SIZE) as weights:
        found = packed_layout(weights, file)
    if found is None:
        return False
    kind, files = found[0]
    name = files[0][0]
    promised = _PROMISES.get(Path(output).suffix)
    has_its_suffix = Path(output).suffix == Path(name).suffix
    if promised is None or has_its_suffix or promised == kind:
        unpack(file, output)
    elif promised == "npz":
        with read(file) as weights:
            write_npz(output, weights)
    else:
        raise ValueError(
            f"{file!r} holds {name!r}, which comes back as it was. Give it a name with "
            f"the suffix {Path(name).suffix or 'that it had'}, or extract its tensors "
            "to .npz."
        )
    return True
