"""Pruning in one fit and sharing in the next, and what has to be so afterwards."""

import numpy as np

import deepcompress as dc
from deepcompress.network.variables import named_variables
from helpers.nets import zeros

SPARSITY = 0.5
BITS = 2


def fit_arrays(model, x, y, callback):
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])


def check_both_stages(model, x, y, fit=fit_arrays, **compile_arguments):
    """Prunes in one fit and shares in the next, and looks at every variable."""
    variables = [v for v in named_variables(model) if v.is_compressible]
    assert variables
    rest = [v for v in named_variables(model) if not v.is_compressible]
    before = {v.name: v.variable.constraint for v in variables}
    model.compile(**{"optimizer": "adam", "loss": "mse", **compile_arguments})
    fit(model, x, y, dc.PruningCallback(dc.PolynomialDecay(SPARSITY, end=0.5)))
    masks = {}
    for named in variables:
        value = named.variable.numpy()
        assert zeros(value) == round(SPARSITY * value.size), named.name
        masks[named.name] = value != 0
    fit(model, x, y, dc.WeightSharingQuantizer(bits=BITS))
    for named in variables:
        value = named.variable.numpy()
        np.testing.assert_array_equal(value != 0, masks[named.name], named.name)
        assert 1 < len(np.unique(value.astype("float64"))) <= 2**BITS, named.name
        assert named.variable.constraint is before[named.name]
    assert all(v.variable.constraint is None for v in rest)
