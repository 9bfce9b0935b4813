"""What a chain consists of, as kernels take it: nothing of it is trusted."""

import numpy as np
import pytest
from helpers.native_calls import links
from hypothesis import given
from hypothesis import strategies as st

from deepcompress import _native


def test_what_is_no_chain_is_refused():
    convolution, product = links()
    refused = pytest.raises(ValueError, match="outside the allowed range")
    for wrong in (
        (),
        (product, product),  # three outputs, two inputs
        (product, convolution),
        (product,) * 5000,
        ((99, *product[1:]),),
        ((-1, *product[1:]),),
        ((product[0], np.zeros(4, np.float32), *product[2:]),),
        ((*convolution[:7], np.array([2, 1, 3, 1, 1, 0]), *convolution[8:]),),
        ((*convolution[:10], 2, *convolution[11:]),),
    ):
        with refused:
            _native.run_chain_build(wrong, 0)
    with refused:
        _native.run_chain_build((product,), 99)
    for wrong in (((),), (3,), ((None,),), (product[:5],), ((*product, 1),)):
        with pytest.raises(TypeError):
            _native.run_chain_build(wrong, 0)
    with pytest.raises(TypeError):
        _native.run_chain_build(([*product],), 0)
    chain = _native.run_chain_build((convolution, product), 0)
    x, y = np.zeros(10, np.float32), np.zeros(6, np.float32)
    assert _native.run_chain(chain, x, y, 2) == 0
    for n in (1, 3, -1, 2**62):
        with refused:
            _native.run_chain(chain, x, y, n)
    with pytest.raises(ValueError, match="PyCapsule"):
        _native.run_chain(None, x, y, 2)


def test_a_chain_holds_its_arrays():
    made = links()
    chain = _native.run_chain_build(made, 0)
    x, y = np.ones(5, np.float32), np.zeros(3, np.float32)
    assert _native.run_chain(chain, x, y, 1) == 0
    del made
    again = np.zeros(3, np.float32)
    assert _native.run_chain(chain, x, again, 1) == 0
    np.testing.assert_array_equal(again, y)
    convolution, product = links()
    out = np.full(3, 99, np.uint32)  # starts that lead out of the entries
    convolution = *convolution[:3], out, *convolution[4:]
    chain = _native.run_chain_build((convolution, product), 0)
    with pytest.raises(ValueError, match="outside the allowed range"):
        _native.run_chain(chain, x, y, 1)


@given(data=st.data())
def test_any_links_compute_or_are_refused(data):
    """Whatever they hold, nothing outside of them is touched."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    made = [list(link) for link in links()]
    link = made[data.draw(st.integers(0, 1))]
    at = data.draw(st.integers(1, len(link) - 1))
    if isinstance(link[at], np.ndarray):
        wrong = link[at].copy()
        flat = wrong.reshape(-1).view(np.uint8)
        places = rng.integers(0, flat.size, rng.integers(1, 9))
        flat[places] = rng.integers(0, 9, len(places))
        link[at] = wrong
    elif link[at] is not None:
        link[at] = data.draw(st.sampled_from([0, 1, 2, 3, 5, 8, 16, 2**30]))
    try:
        chain = _native.run_chain_build(tuple(map(tuple, made)), 0)
        x, y = rng.standard_normal(5 * 20).astype("f4"), np.empty(3 * 20, np.float32)
        _native.run_chain(chain, x, y, 20)
    except ValueError:
        pass
