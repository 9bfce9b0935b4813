import ml_dtypes
import numpy as np
import pytest
from helpers import foreign_files
from helpers.caffe_twin import field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress.dcz.foreign import packing

FILES = foreign_files.every()
NAMED = ("safetensors", "unaligned", "onnx", "tflite", "large-tflite", "npz", "hdf5")
coders = pytest.mark.parametrize("coder", ["huffman", "context"])


def round_trip(folder, data, name="source", **options):
    """Packs bytes, compares them with what comes back, and returns the report."""
    source, packed, back = folder / name, folder / "a.dcz", folder / f"back-{name}"
    source.write_bytes(data)
    report = dc.pack(source, packed, **options)
    assert dc.unpack(packed, back) == [back]
    assert back.read_bytes() == data
    assert report.packed_size == packed.stat().st_size
    return report


@coders
@pytest.mark.parametrize("name", FILES)
def test_the_same_bytes_come_back(name, coder, tmp_path):
    kind, data = FILES[name]
    report = round_trip(tmp_path, data, coder=coder)
    assert report.kind == kind
    assert report.packed_size < len(data)
    assert str(report).startswith("source: ")
    assert f"{len(data):,} bytes -> {report.packed_size:,} bytes" in str(report)


@pytest.mark.parametrize("name", NAMED)
def test_tensors_are_read_by_their_names(name, tmp_path):
    _, data = FILES[name]
    round_trip(tmp_path, data)
    with dc.read(tmp_path / "a.dcz") as arrays:
        for leaf, expected in foreign_files.weights().items():
            if leaf in {"steps", "fc.scale"}:  # which take less room in the rest
                continue
            found = arrays[leaf.replace(".", "/") if name == "hdf5" else leaf]
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_a_file_holds_it_comes_back(name, seed, tmp_path):
    rng = np.random.default_rng(seed)
    data = bytearray(FILES[name][1])
    for _ in range(rng.integers(1, 9)):
        # Where a file says what it holds, which is its begin or its end.
        at = int(rng.integers(min(len(data), 600)))
        at = at if rng.random() < 0.5 else len(data) - 1 - at
        data[at] = rng.choice([0, 1, 127, 255, rng.integers(256)])
    if rng.random() < 0.3:
        del data[int(rng.integers(1, len(data))) :]
    round_trip(tmp_path, bytes(data))


def test_a_tensor_that_occurs_twice_is_stored_once(tmp_path, rng):
    kernel = rng.standard_normal((50, 60)).astype("float32")
    once = round_trip(tmp_path, foreign_files.safetensors({"a": kernel}))
    arrays = {"a": kernel, "b": kernel, "c": kernel + 1}
    twice = round_trip(tmp_path, foreign_files.safetensors(arrays))
    assert (once.n_tensors, twice.n_tensors) == (1, 2)
    assert twice.packed_size < 2 * once.packed_size + 60


def test_buffers_of_a_tflite_may_be_shared_and_empty(tmp_path, rng):
    kernel = rng.standard_normal((50, 60)).astype("float32")
    tensors = [
        ("a", kernel, 1),
        ("b", kernel, 1),
        ("empty", kernel, 0),
        ("c", kernel, 9),
    ]
    data = foreign_files.tflite(tensors, [b"", kernel.tobytes()])
    assert round_trip(tmp_path, data).n_tensors == 1
    with dc.read(tmp_path / "a.dcz") as arrays:
        assert list(arrays) == ["a"]
        np.testing.assert_array_equal(arrays["a"], kernel)


def test_tensors_of_onnx_are_found_wherever_they_are(tmp_path, rng):
    kernels = rng.standard_normal((4, 60, 80)).astype("float32")
    tensors = [
        foreign_files.onnx_tensor("typed", kernels[0], field(4, kernels[0].tobytes())),
        foreign_files.onnx_tensor("raw", kernels[1]),
    ]
    inner = foreign_files.onnx_tensor("", kernels[2])
    nodes = foreign_files.constant("of_node", inner)
    below = field(5, foreign_files.onnx_tensor("of_subgraph", kernels[3]))
    nodes += field(1, field(3, "if") + field(5, field(6, below)))
    round_trip(tmp_path, foreign_files.onnx(tensors, nodes))
    with dc.read(tmp_path / "a.dcz") as arrays:
        assert set(arrays) == {"typed", "raw", "of_node", "of_subgraph"}
        for n, name in enumerate(["typed", "raw", "of_node", "of_subgraph"]):
            np.testing.assert_array_equal(arrays[name], kernels[n])


def test_big_endian_numbers_are_read_as_what_they_are(tmp_path, rng):
    kernel = rng.standard_normal((60, 70)).astype(">f4")
    for data in (foreign_files.npz({"a": kernel}), foreign_files.hdf5({"a": kernel})):
        round_trip(tmp_path, data)
        with dc.read(tmp_path / "a.dcz") as arrays:
            np.testing.assert_array_equal(arrays["a"], kernel)


def test_equal_names_are_told_apart(tmp_path, rng):
    kernels = rng.standard_normal((3, 90, 80)).astype("float32")
    names = ["/a/", "a", ""]
    tensors = [(name, kernels[i], i + 1) for i, name in enumerate(names)]
    buffers = [b"", *(kernel.tobytes() for kernel in kernels)]
    round_trip(tmp_path, foreign_files.tflite(tensors, buffers))
    with dc.read(tmp_path / "a.dcz") as arrays:
        assert list(arrays) == ["a", "a#2", "foreign/bytes"]


def test_the_dtype_of_storages_is_guessed(tmp_path, rng):
    kernel = rng.standard_normal((90, 70))
    dtypes = ("float16", "float32", "float64", ml_dtypes.bfloat16)
    arrays = {np.dtype(n).name: kernel.astype(n) for n in dtypes}
    round_trip(tmp_path, foreign_files.checkpoint(arrays))
    with dc.read(tmp_path / "a.dcz") as found:
        for index, (dtype, array) in enumerate(arrays.items()):
            read = found[f"archive/data/{index}"]
            assert read.dtype == dtype
            assert read.tobytes() == array.tobytes()


def test_deflated_members_are_inflated_where_they_come_back(tmp_path):
    kept, deflated = (FILES[name][1] for name in ("npz", "deflated"))
    sizes = [round_trip(tmp_path, data).packed_size for data in (kept, deflated)]
    assert sizes[1] < 1.02 * sizes[0] < 0.95 * len(deflated)


def test_thousands_of_tiny_tensors_stay_in_the_rest(tmp_path, rng):
    arrays = {
        f"layer.{i}.bias": rng.standard_normal(20).astype("float32") for i in range(999)
    }
    report = round_trip(tmp_path, foreign_files.safetensors(arrays))
    assert report.n_tensors == 0


def test_a_file_that_repeats_is_packed_as_a_whole(tmp_path, rng):
    row = rng.standard_normal(700).astype("float32")
    arrays = {"a": np.tile(row, (40, 1)), "b": np.tile(row[::-1], (40, 1))}
    report = round_trip(tmp_path, foreign_files.safetensors(arrays))
    assert report.packed_size < 2 * row.nbytes + 400


def test_large_bytes_of_no_kind_become_blocks(tmp_path, rng, monkeypatch):
    data = rng.standard_normal(40_000).astype("float32").tobytes()
    monkeypatch.setattr(packing, "_TRIED", 0)
    report = round_trip(tmp_path, b"unknown!" + data)
    assert report.kind == "bytes"
    assert "packed as a whole, since it is of no kind that is known" in str(report)
    assert report.packed_size < 0.86 * len(data)
