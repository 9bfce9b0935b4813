"""How a Huffman-coded tensor is laid out: its flags, and its parts in order."""

from typing import TYPE_CHECKING

import numpy as np

from deepcompress.dcz.coding.bytestream import varint

if TYPE_CHECKING:
    from deepcompress.dcz.coding.huffman_tensor import HuffmanTensor

HAS_GAPS = 1
HAS_SYMBOLS = 2
IS_REVERSED = 4
HAS_MORE = 8
WIDTH_SHIFT = 4
# In the byte that follows then.
HAS_BACKGROUND = 1
HAS_PLANES = 2
HAS_SIGNS = 4


def pieces_of(
    tensor: "HuffmanTensor",
) -> tuple[list[bytes | memoryview], int]:
    """Returns what `decode` takes apart again in pieces, and how many bytes."""
    more = (
        (HAS_BACKGROUND if tensor.background else 0)
        | (HAS_PLANES if tensor.planes is not None else 0)
        | (HAS_SIGNS if tensor.signs is not None else 0)
    )
    flags = (
        tensor.gap_width << WIDTH_SHIFT
        | (HAS_GAPS if tensor.gap_width else 0)
        | (HAS_SYMBOLS if tensor.codes is not None else 0)
        | (IS_REVERSED if tensor.is_reversed else 0)
        | (HAS_MORE if more else 0)
    )
    parts: list[bytes | memoryview] = [bytes([flags, more] if more else [flags])]
    if tensor.background:
        parts.append(tensor.background.to_bytes(tensor.dtype.itemsize, "little"))
    if tensor.gap_width:
        parts.append(varint(tensor.n_stored))
    if tensor.gaps is not None:
        parts += [
            varint(len(tensor.gaps.symbols) - tensor.n_stored),
            tensor.gaps.encode(),
        ]
    if tensor.codebook is not None and tensor.codes is not None:
        parts += [varint(len(tensor.codebook)), tensor.codebook.tobytes()]
        parts.append(tensor.codes.encode())
    if tensor.planes is not None:
        parts += tensor.planes.encode()
    elif tensor.raw is not None:
        parts.append(tensor.raw.reshape(-1).view(np.uint8).data)
    if tensor.signs is not None:
        parts += tensor.signs.encode()
    return parts, sum(map(len, parts))
