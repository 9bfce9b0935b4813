"""What a row takes in each form: from this the form of a matrix is chosen.

All constants are nanoseconds on one core of a Zen 5 server, measured with matrices of
1152 x 384 and 9216 x 4096. Only their ratios matter, and these are alike elsewhere.
"""

from deepcompress.runtime import isa

# What every call takes, however small a matrix is.
CALL = 1000
# So many rows at once are many: the weights are then read once for several of them.
MANY = 4
# Floats that take more bytes come from memory, and not from a cache.
_CACHED_BYTES = 1 << 24


def dense(n_elements: int, n_rows: int) -> float:
    """NumPy's product, for each element."""
    if n_rows >= MANY:
        return 0.02 * n_elements
    return (0.05 if 4 * n_elements <= _CACHED_BYTES else 0.2) * n_elements


def columns(n_inputs: int, n_stored: int, n_rows: int) -> float:
    """Columns: for each element that is not zero, and for each list."""
    if n_rows >= MANY:
        return 0.075 * n_stored
    return 2.5 * n_inputs + 0.4 * n_stored


def tiles(n_elements: int, n_stored: int, n_rows: int) -> float:
    """Tiles: more elements that are not zero need more slots."""
    if n_rows >= MANY:
        return 0.005 * n_elements + 0.018 * n_stored
    return 0.012 * n_elements + 0.03 * n_stored


def patch(n_inputs: int) -> float:
    """Copying what a window meets at one place, and beginning a short product."""
    return 25 + 0.1 * n_inputs


def filters(n_filters: int, n_stored: int, isa_number: int) -> float:
    """Filters: for each weight that is not zero, and for each output."""
    each = {isa.ISAS["avx512"]: 0.04, isa.ISAS["avx2"]: 0.05}.get(isa_number, 0.09)
    return 0.5 * n_filters + each * n_stored


def codes(n_elements: int, n_values: int, n_rows: int, isa_number: int) -> float:
    """Codes for all elements: values come from registers, or else from memory."""
    if n_rows >= MANY and not are_always_looked_up(n_values, isa_number):
        return 0.0185 * n_elements  # as floats, panel by panel
    if isa_number >= isa.ISAS["avx512"]:
        few, many = {
            5: (0.025, 0.011),
            6: (0.038, 0.0155),
            7: (0.068, 0.068),
            8: (0.115, 0.115),
        }[max((n_values - 1).bit_length(), 5)]
        return (many if n_rows >= MANY else few) * n_elements
    if isa_number >= isa.ISAS["avx2"] and n_values <= 32:
        return 0.125 * n_elements
    return 0.37 * n_elements


def are_always_looked_up(n_values: int, isa_number: int) -> bool:
    """Whether codes are faster than floats even for many rows."""
    return isa_number >= isa.ISAS["avx512"] and n_values <= 64
