"""The file of a smaller model, by itself and in the larger one."""

import numpy as np
import pytest
from helpers.nets import dense_net
from helpers.sparse_nets import check_equal, make_sparse, vgg

import deepcompress as dc
from deepcompress.dcz import container


@pytest.mark.parametrize(
    "weights",
    [
        [(10, 20), (20,), (20, 4), (4,)],
        [(10, 30), (20,), (20, 3), (3,)],
        [(9, 20), (20,), (20, 3), (3,)],
        [(10, 10), (10,), (20, 3), (3,)],
        [(10, 0), (0,), (0, 3), (3,)],
        [(), (20,), (20, 3), (3,)],
        [(10, 40), (40,), (40, 3), (3,)],
    ],
    ids=str,
)
def test_the_file_of_another_net_is_still_refused(weights, tmp_path):
    names = ["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"]
    arrays = [np.ones(shape, "float32") for shape in weights]
    container.write(tmp_path / "a.dcz", dict(zip(names, arrays, strict=True)))
    model = dense_net()
    before = model.get_weights()
    with pytest.raises(ValueError, match="in the file"):
        dc.HuffmanSerializer().load(tmp_path / "a.dcz", model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_small_model_is_saved_and_loaded_by_itself(tmp_path):
    model = make_sparse(vgg(), 0.3, 1)
    small = dc.shrink(model)
    dc.HuffmanSerializer().save(small, tmp_path / "small.dcz")
    loaded = dc.load_model(tmp_path / "small.dcz")
    for weight, other in zip(small.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    check_equal(model, loaded)


def test_units_that_are_not_there_leave_normalization_finite():
    large = vgg(9, 9, 9)
    small = dc.shrink(make_sparse(vgg(9, 9, 9), 0.1, 1))
    dc.HuffmanSerializer().loads(dc.HuffmanSerializer().dumps(small), large)
    n = small.get_layer("norm1").gamma.shape[0]
    assert n < 9
    for weight, empty in zip(
        large.get_layer("norm1").weights, (0, 0, 0, 1), strict=True
    ):
        np.testing.assert_array_equal(weight.numpy()[n:], empty)
