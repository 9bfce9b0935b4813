"""Arrays as compression makes them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

dtypes = st.sampled_from(
    ["bool", "i1", "u1", "<i2", "<u4", "<i8", "<f2", "<f4", "<f8", "<c8", "<c16"]
).map(np.dtype)


@st.composite
def tensors(draw):
    """Tensors as compression makes them: few values, many of them zero."""
    dtype = draw(dtypes)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
    if draw(st.booleans()):
        return draw(hnp.arrays(dtype, shape))
    values = draw(hnp.arrays(dtype, draw(st.integers(1, 20))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    array = values[rng.integers(0, len(values), shape)]
    kept = rng.random(shape) < draw(st.sampled_from([0, 0.02, 0.2, 1]))
    return np.where(kept, array, np.zeros((), dtype)).astype(dtype)


def sparse(shape, density, n_values, rng):
    values = rng.standard_normal(n_values).astype("float32")
    array = values[rng.integers(0, n_values, shape)]
    return np.where(rng.random(shape) < density, array, 0).astype("float32")
