"""The instruction sets that kernels are written for."""

import os

from deepcompress import _native

ISAS = {
    "portable": _native.DC_ISA_PORTABLE,
    "avx2": _native.DC_ISA_AVX2,
    "avx512": _native.DC_ISA_AVX512,
}
VARIABLE = "DEEPCOMPRESS_ISA"


def available() -> list[str]:
    """Returns the names of those that this processor has, the fastest last.

    Example:

    >>> available()[0]
    'portable'
    """
    return [name for name, number in ISAS.items() if _native.run_has_isa(number)]


def number_of(name: str | None = None) -> int:
    """Returns an instruction set's number in the kernels.

    Args:
        name: One of those that are available. Defaults to `None`: what the environment
            variable `DEEPCOMPRESS_ISA` names, else the fastest.
    """
    name = name or os.environ.get(VARIABLE) or available()[-1]
    if name not in available():
        raise ValueError(
            f"The instruction set must be one of {available()}. Received: {name!r}"
        )
    return ISAS[name]
