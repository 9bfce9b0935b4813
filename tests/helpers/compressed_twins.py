"""What the arrays of a compressed matrix stand for, from the words of `run.h` alone."""

import numpy as np


def columns(arrays, shape, n_bits, has_codes):
    """The dense matrix of columns."""
    starts, entries, values = arrays
    dense = np.zeros(shape, np.float32)
    n_inputs, n_outputs = shape
    for block in range(-(-n_outputs // 2**n_bits)):
        for i in range(n_inputs):
            at = block * n_inputs + i
            for k in range(starts[at], starts[at + 1]):
                code, output = divmod(int(entries[k]), 2**n_bits)
                value = values[code] if has_codes else values[k]
                dense[i, block * 2**n_bits + output] += value
    return dense


def tiles(arrays, shape, code_bits):
    """The dense matrix of tiles."""
    words, depths, rest_starts, rest, table = arrays
    dense = np.zeros(shape, np.float32)
    n_inputs, n_outputs = shape
    at = 0
    for block in range(-(-n_inputs // 32)):
        n_rows = -(-int(depths[block]) // (3 if code_bits == 5 else 2))
        for tile in range(-(-n_outputs // 16)):
            for _ in range(n_rows):
                for lane in range(16):
                    bits = int(words[at])
                    at += 1
                    while bits:
                        bits, slot = divmod(bits, 2 ** (5 + code_bits))
                        code, i = divmod(slot, 32)
                        if code:
                            dense[32 * block + i, 16 * tile + lane] += table[code]
        for entry in rest[rest_starts[block] : rest_starts[block + 1]].tolist():
            output, low = divmod(entry, 2**12)
            code, i = divmod(low, 32)
            dense[32 * block + i, output] += table[code]
    assert at == len(words)
    return dense


def codes(arrays, shape, width):
    """The dense matrix of codes."""
    panels, codebook = arrays
    dense = np.zeros(shape, np.float32)
    for i in range(shape[0]):
        for output in range(shape[1]):
            panel, place = divmod(output, width)
            dense[i, output] = codebook[panels[panel, i, place]]
    return dense
