import io
import json
import re

import numpy as np
import pytest

from deepcompress.dcz.container import write
from deepcompress.dcz.report import CompressionReport


def arrays():
    rng = np.random.default_rng(0)
    values = np.linspace(-1, 1, 31, dtype="float32")
    values = values[values != 0]
    kernel = values[rng.integers(0, len(values), (100, 80))]
    kernel[rng.random((100, 80)) < 0.92] = 0
    return {
        "ip1/kernel": kernel,
        "ip1/bias": rng.standard_normal(80).astype("float32"),
        "ip2/kernel": values[rng.integers(0, 4, (40, 30))],
        "cell/kernel": np.where(kernel > 0, kernel, 0),
        "cell/recurrent_kernel": np.where(kernel < 0, kernel, 0),
        "odd/kernel": rng.standard_normal((9, 9)).astype("float16"),
    }


@pytest.fixture
def report():
    return CompressionReport(*write(io.BytesIO(), arrays()))


def test_rows_are_layers_or_tensors_where_a_layer_has_several(report):
    assert [row.name for row in report.rows] == [
        "ip1",
        "ip2",
        "cell/kernel",
        "cell/recurrent_kernel",
    ]


def test_figures_are_what_the_tensors_say(report):
    kernel = arrays()["ip1/kernel"]
    n = np.count_nonzero(kernel)
    row = report.rows[0]
    assert (row.n_weights, row.n_nonzero) == (8000, n)
    assert row.kept == n / 8000
    assert row.weight_bits == 5
    _, counts = np.unique(kernel[kernel != 0], return_counts=True)
    entropy = -(counts / n * np.log2(counts / n)).sum()
    assert entropy <= row.weight_bits_huffman < entropy + 0.1
    assert 3 <= row.index_bits <= 8
    assert row.index_bits_huffman < row.index_bits * 1.5
    assert row.rate == row.n_bytes / 32_000
    assert row.n_bytes < row.n_bytes_fixed + 30
    dense = report.rows[1]
    assert dense.index_bits is None
    assert dense.kept == 1
    assert dense.weight_bits == dense.weight_bits_huffman == 2


def test_everything_adds_up_to_the_file(report):
    assert report.exact.n_weights == 80 + 81
    parts = [*report.rows, report.exact]
    assert sum(part.n_bytes for part in parts) + report.overhead == report.size
    assert sum(part.n_weights for part in parts) == report.total.n_weights
    assert report.total.n_bytes == report.size
    assert report.dense_size == sum(4 * p.n_weights for p in parts) - 2 * 81
    assert report.ratio == report.dense_size / report.size


def test_the_report_of_a_file_is_that_of_saving_it(report, tmp_path):
    path = tmp_path / "a.dcz"
    write(path, arrays())
    assert CompressionReport.from_file(path).to_dict() == report.to_dict()


def test_the_dictionary_is_plain(report):
    content = json.loads(json.dumps(report.to_dict()))
    assert content["size"] == report.size
    assert [row["name"] for row in content["rows"]] == [r.name for r in report.rows]


def test_the_table_shows_every_row_within_80_columns_and_a_half(report):
    text = str(report)
    for word in ("Kept", "P+Q+H", "ip1", "exact", "overhead", "total"):
        assert word in text
    assert f"{report.size:,}" in text
    assert f"{report.ratio:.1f}x smaller" in text
    assert max(map(len, text.splitlines())) <= 100
    assert repr(report).startswith("<CompressionReport: ")


def test_the_html_escapes_names():
    stats, size = write(io.BytesIO(), {"<b>/kernel": np.zeros((4, 4), "float32")})
    markup = CompressionReport(stats, size)._repr_html_()
    assert "&lt;b&gt;" in markup
    assert "<b>" not in markup
    assert len(re.findall("<tr>", markup)) == 4


def test_the_plot_draws_every_count(report):
    figure = report.plot()
    shared = [s for s in report.stats.values() if s.codebook is not None]
    assert len(figure.axes) == 2 * len(shared)
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert sum(heights) == shared[0].n_stored
    heights = [patch.get_height() for patch in figure.axes[1].patches]
    assert sum(heights) == shared[0].gap_counts.sum()
    image = io.BytesIO()
    figure.savefig(image)
    assert image.getvalue().startswith(b"\x89PNG")


def test_nothing_to_plot_is_an_error(rng):
    kernel = rng.standard_normal((9, 9))
    report = CompressionReport(*write(io.BytesIO(), {"a/kernel": kernel}))
    with pytest.raises(ValueError, match="nothing to draw"):
        report.plot()
    assert report.rows == []
    assert "total" in str(report)


def test_a_context_coded_file_has_rows_too():
    report = CompressionReport(*write(io.BytesIO(), arrays(), coder="context"))
    other = CompressionReport(*write(io.BytesIO(), arrays()))
    assert [row.name for row in report.rows] == [row.name for row in other.rows]
    row, dense = report.rows[:2]
    n = row.n_nonzero
    assert (row.weight_bits, row.index_bits, row.index_bits_huffman) == (5, None, None)
    # Codes and positions together, and the codebook.
    assert row.n_bytes <= row.weight_bits_huffman * n / 8 + 1
    assert row.n_bytes_fixed == (5 * n + 8000) / 8 + 4 * 30
    assert dense.n_bytes_fixed == other.rows[1].n_bytes_fixed
    assert report.total.n_bytes == report.size < other.size
    assert 0 < report.overhead < other.overhead
    assert len(str(report).splitlines()) == len(str(other).splitlines())
    json.dumps(report.to_dict())


def test_a_context_coded_tensor_without_shared_values_has_a_row():
    kernel = np.random.default_rng(0).standard_normal((80, 90)).astype("float32")
    kernel[kernel < 1] = 0
    report = CompressionReport(
        *write(io.BytesIO(), {"a/kernel": kernel}, coder="context")
    )
    (row,) = report.rows
    assert row.weight_bits == 32
    assert 20 < row.weight_bits_huffman < 32


@pytest.mark.parametrize("coder", ["huffman", "context"])
def test_zeros_are_zeros_whatever_their_sign(coder):
    kernel = arrays()["ip1/kernel"]
    rows = []
    for zero in (0.0, -0.0):
        array = {"a/kernel": np.where(kernel == 0, np.float32(zero), kernel)}
        report = CompressionReport(*write(io.BytesIO(), array, coder=coder))
        assert report.stats["a/kernel"].n_stored == np.count_nonzero(kernel)
        rows += report.rows
    plus, minus = rows
    assert minus.kept == plus.kept == np.count_nonzero(kernel) / kernel.size
    assert minus.weight_bits == plus.weight_bits == 5
    assert minus.index_bits == plus.index_bits
    assert plus.n_bytes <= minus.n_bytes < plus.n_bytes + 10


def test_signs_that_stand_apart_are_counted():
    kernel = arrays()["ip1/kernel"]
    signs = np.random.default_rng(0).choice([0.0, -0.0], kernel.shape)
    mixed = np.where(kernel == 0, signs, kernel).astype("float32")
    report = CompressionReport(*write(io.BytesIO(), {"a/kernel": mixed}))
    (row,) = report.rows
    n = np.count_nonzero(kernel)
    assert row.n_nonzero == n
    bits = (row.weight_bits_huffman + row.index_bits_huffman) * n
    assert bits / 8 < row.n_bytes < bits / 8 + 120
    assert row.n_bytes < row.n_bytes_fixed + 60


def test_a_tensor_in_planes_is_exact_and_smaller():
    kernel = np.random.default_rng(0).standard_normal((80, 90)).astype("float32")
    report = CompressionReport(*write(io.BytesIO(), {"a/kernel": kernel}))
    assert report.rows == []
    assert report.exact.weight_bits == 32
    assert 26 < report.exact.weight_bits_huffman < 27
    assert report.exact.rate < 0.85
    assert report.exact.n_bytes_fixed == kernel.nbytes
