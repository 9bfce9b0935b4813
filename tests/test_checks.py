import numpy as np
import pytest

from deepcompress._checks import integer_in, number_in, one_of, sparsity


def test_what_is_right_comes_back_as_python_has_it():
    assert one_of("init", "linear", ("linear", "density")) == "linear"
    assert one_of("sample_weight", None, (None, "curvature")) is None
    assert type(integer_in("bits", np.int64(5), 1, 16)) is int
    assert type(number_in("power", np.float32(3), "(0, inf)")) is float
    assert sparsity("final_sparsity", 0) == 0.0


@pytest.mark.parametrize("value", [0, 1, np.int8(7), 16])
def test_the_bounds_of_an_integer_are_within(value):
    assert integer_in("bits", value, 0, 16) == value
    assert integer_in("bits", 10**30, 0) == 10**30


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (lambda: one_of("scope", "x", ["layer", "global"]), ValueError,
         r"`scope` must be one of \('layer', 'global'\). Received: scope='x'"),
        (lambda: integer_in("bits", 17, 1, 16), ValueError,
         "`bits` must be in 1 to 16. Received: bits=17"),
        (lambda: integer_in("bits", 0, 1), ValueError,
         "`bits` must be at least 1. Received: bits=0"),
        (lambda: integer_in("bits", 5.0, 1, 16), TypeError,
         "`bits` must be an integer in 1 to 16. Received: bits=5.0"),
        (lambda: integer_in("bits", True, 1, 16), TypeError, "Received: bits=True"),
        (lambda: number_in("power", 0, "(0, inf)"), ValueError,
         r"`power` must be a number in \(0, inf\). Received: power=0"),
        (lambda: number_in("drop", 1, "[0, 1)"), ValueError, "Received: drop=1"),
        (lambda: number_in("drop", float("nan"), "[0, 1]"), ValueError, "drop=nan"),
        (lambda: number_in("drop", "1", "[0, 1]"), TypeError, "drop='1'"),
        (lambda: number_in("drop", True, "[0, 1]"), TypeError, "drop=True"),
        (lambda: sparsity("sparsity", 1.0), ValueError,
         r"`sparsity` must be in \[0, 1\).* Received: sparsity=1.0"),
        (lambda: sparsity("sparsity", "half"), TypeError, "sparsity='half'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_was_received(check, error, message):
    with pytest.raises(error, match=message):
        check()
