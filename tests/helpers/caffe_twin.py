"""Caffe in NumPy, as far as the importers need it: its nets, and its files.

Written from `caffe.proto`, the encoding of protobuf and the published format of the
authors' nets alone, so that nothing of the package checks itself.
"""

import struct

import numpy as np


def conv(x, weights, bias, groups=1):
    """Convolves without padding; NCHW images, OIHW weights."""
    n, _, height, width = x.shape
    outputs, inputs, kernel_h, kernel_w = weights.shape
    out = np.zeros((n, outputs, height - kernel_h + 1, width - kernel_w + 1))
    per_group = outputs // groups
    for o in range(outputs):
        first = o // per_group * inputs
        for row in range(out.shape[2]):
            for column in range(out.shape[3]):
                window = x[:, first : first + inputs, row : row + kernel_h]
                window = window[..., column : column + kernel_w]
                out[:, o, row, column] = (window * weights[o]).sum((1, 2, 3))
    return out + bias[:, None, None]


def inner_product(x, weights, bias):
    return x.reshape(len(x), -1) @ weights.T + bias


# Protobuf.


def varint(value):
    value %= 1 << 64
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """One field: a text, bytes or an integer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(array, *, is_legacy=False, dtype="<f4", is_packed=True):
    array = np.asarray(array)
    if is_legacy:
        four = (1,) * (4 - array.ndim) + array.shape
        out = b"".join(field(number, n) for number, n in enumerate(four, 1))
    else:
        out = field(7, field(1, b"".join(map(varint, array.shape))))
    data = array.astype(dtype)
    number, wire_type = (5, 5) if dtype == "<f4" else (8, 1)
    if is_packed:
        return out + field(number, data.tobytes())
    key = varint(number << 3 | wire_type)
    return out + b"".join(key + item.tobytes() for item in data.reshape(-1))


def layer(name, kind, blobs, more=b""):
    out = field(1, name) + field(2, kind) + field(3, "in") + field(4, "out")
    return field(100, out + b"".join(field(7, each) for each in blobs) + more)


def old_layer(name, kind, blobs):
    number = {"Convolution": 4, "InnerProduct": 14, "ReLU": 18}[kind]
    out = b"".join(field(6, each) for each in blobs)
    return field(2, field(2, "in") + field(4, name) + field(5, number) + out)


# The authors' nets.


def net_file(layers):
    """The bytes of a `.net` file.

    Args:
        layers: Of each the bits of a code, the codebook, the codes of all weights in
            the order of the file (0 where a weight is zero) and the biases.
    """
    body, counts = b"", b""
    for bits, codebook, codes, biases in layers:
        entries, run = [], 0
        for code in codes:
            if code == 0 and run < 15:
                run += 1
                continue
            entries.append((code, run))  # a filler where the code is 0
            run = 0
        counts += struct.pack("<I", len(entries))
        body += struct.pack(f"<{1 << bits}f", *codebook)
        body += struct.pack(f"<{len(biases)}f", *biases)
        body += _packed([code for code, _ in entries], bits)
        body += _packed([gap for _, gap in entries], 4)
    return counts + body


def _packed(symbols, bits):
    if bits == 8:
        return bytes(symbols)
    symbols = [*symbols, 0] if len(symbols) % 2 else symbols
    pairs = zip(symbols[::2], symbols[1::2], strict=True)
    return bytes(low | high << 4 for low, high in pairs)
