"""Small files of other formats, made of plain bytes."""

import io
import json
import struct
import zipfile

import h5py
import numpy as np

from helpers.caffe_twin import field


def weights(seed=0):
    """Arrays as files have them: dense, pruned and shared, integers, tiny."""
    rng = np.random.default_rng(seed)
    shared = rng.choice(np.linspace(-1, 1, 9), (60, 50)).astype("float32")
    shared[rng.random(shared.shape) < 0.8] = 0
    return {
        "conv1.weight": rng.standard_normal((40, 30)).astype("float32"),
        "conv1.bias": rng.standard_normal(7).astype("float32"),
        "fc.weight": shared,
        "fc.scale": rng.standard_normal(900).astype("float16"),
        "steps": np.arange(300, dtype="int64"),
        "quantized": rng.integers(-9, 9, (30, 50)).astype("int8"),
    }


def safetensors(arrays, padding=b" "):
    names = {"float32": "F32", "float16": "F16", "int64": "I64", "int8": "I8"}
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": names[array.dtype.name],
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header).encode() + padding
    data = b"".join(array.tobytes() for array in arrays.values())
    return len(text).to_bytes(8, "little") + text + data


_ONNX = {"float32": 1, "int8": 3, "int64": 7, "float16": 10}


def onnx_tensor(name, array, content=None):
    """A tensor; what holds its values may be another field than the raw one."""
    dims = b"".join(field(1, length) for length in array.shape)
    content = field(9, array.tobytes()) if content is None else content
    return dims + field(2, _ONNX[array.dtype.name]) + field(8, name) + content


def onnx(tensors, nodes=b""):
    """A model of tensors as they are encoded."""
    graph = nodes + field(2, "graph") + b"".join(field(5, each) for each in tensors)
    return field(1, 8) + field(2, "tests") + field(7, graph)


def constant(name, tensor):
    """A node that holds a tensor in an attribute."""
    attribute = field(1, "value") + field(5, tensor)
    return field(1, field(2, name) + field(4, "Constant") + field(5, attribute))


_TFLITE = {"float32": 0, "float16": 1, "int64": 4, "int8": 9}


class _Buffer:
    """A FlatBuffer that grows at its end: what refers to something stands before it."""

    def __init__(self):
        self.data = bytearray()

    def table(self, fields):
        """Appends a table of fields of 4 or 8 bytes, `None` for those not there."""
        sizes = [0 if each is None else len(each) for each in fields]
        self.data += b"\xaa" * (-len(self.data) % 4)  # padding need not be zero
        offsets, end = [], 4
        for size in sizes:
            offsets.append(end if size else 0)
            end += size
        entries = struct.pack(f"<{len(fields)}H", *offsets)
        place = len(self.data) + 4 + len(entries)
        self.data += struct.pack("<HH", 4 + len(entries), end) + entries
        pad = -place % 4
        self.data += bytes(pad)
        place += pad
        begin = place - len(self.data)
        assert begin == 0
        self.data += struct.pack("<i", 4 + len(entries) + pad)
        for each in fields:
            self.data += each or b""
        return place, [place + offset for offset in offsets]

    def point(self, place, target=None):
        """Sets an offset, to the end by default."""
        target = len(self.data) if target is None else target
        self.data[place : place + 4] = struct.pack("<I", target - place)

    def vector(self, content, n=None):
        self.data += struct.pack("<I", len(content) if n is None else n) + content


_OFFSET = bytes(4)


def tflite(arrays, buffers, behind=()):
    """A model of one subgraph.

    Args:
        arrays: For each tensor its name, an array, and the number of its buffer.
        buffers: The bytes of each.
        behind: The numbers of buffers that lie behind all tables.
    """
    out = _Buffer()
    out.data += bytes(4) + b"TFL3"
    model, fields = out.table([struct.pack("<I", 3), None, _OFFSET, None, _OFFSET])
    out.point(0, model)
    out.point(fields[2])
    out.vector(_OFFSET, 1)
    to_subgraph = len(out.data) - 4
    subgraph, (to_tensors,) = out.table([_OFFSET])
    out.point(to_subgraph, subgraph)
    out.point(to_tensors)
    out.vector(_OFFSET * len(arrays), len(arrays))
    begin = len(out.data) - 4 * len(arrays)
    for index, (name, array, buffer) in enumerate(arrays):
        kind = struct.pack("<I", _TFLITE[array.dtype.name])
        at, places = out.table([_OFFSET, kind, struct.pack("<I", buffer), _OFFSET])
        out.point(begin + 4 * index, at)
        out.point(places[0])
        out.vector(struct.pack(f"<{array.ndim}i", *array.shape), array.ndim)
        out.point(places[3])
        out.vector(name.encode())
    out.data += b"\xbb" * (-len(out.data) % 4)
    out.point(fields[4])
    out.vector(_OFFSET * len(buffers), len(buffers))
    begin = len(out.data) - 4 * len(buffers)
    outside = []
    for index, content in enumerate(buffers):
        if index in behind:
            at, places = out.table([None, bytes(8), struct.pack("<Q", len(content))])
            outside.append((places[1], content))
        else:
            at, places = out.table([_OFFSET])
            out.point(places[0])
            out.vector(content)
        out.point(begin + 4 * index, at)
    for place, content in outside:
        out.data[place : place + 8] = struct.pack("<Q", len(out.data))
        out.data += content + b"\xcc"
    return bytes(out.data)


def npz(arrays, save=np.savez):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def hdf5(arrays, **options):
    file = io.BytesIO()
    with h5py.File(file, "w", track_order=True) as opened:
        for name, array in arrays.items():
            opened.create_dataset(name.replace(".", "/"), data=array, **options)
    return file.getvalue()


def checkpoint(arrays):
    """What `torch.save` writes, without the pickle that says what it is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02never read")
        archive.writestr("archive/byteorder", b"little")
        for index, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{index}", array.tobytes())
    return file.getvalue()


def every():
    """A file of each kind: what it is taken for, its suffix, and its bytes."""
    arrays = weights()
    tensors = [onnx_tensor(name, array) for name, array in arrays.items()]
    numbered = [(n, a, i + 1) for i, (n, a) in enumerate(arrays.items())]
    buffers = [b"", *(array.tobytes() for array in arrays.values())]
    return {
        "safetensors": ("safetensors", safetensors(arrays)),
        "unaligned": ("safetensors", safetensors(arrays, padding=b"   ")),
        "onnx": ("onnx", onnx(tensors)),
        "tflite": ("tflite", tflite(numbered, buffers)),
        "large-tflite": ("tflite", tflite(numbered, buffers, behind={1, 3})),
        "npz": ("npz", npz(arrays)),
        "deflated": ("npz", npz(arrays, np.savez_compressed)),
        "hdf5": ("hdf5", hdf5(arrays)),
        "chunked": ("hdf5", hdf5(arrays, chunks=True, compression="gzip")),
        "pt": ("pt", checkpoint(arrays)),
        "bytes": ("bytes", b"nothing that is known\n" * 40),
    }
