import numpy as np
import pytest
from helpers.own_digits import own

from deepcompress.commands.recipes import SETTINGS, DemoSettings
from deepcompress.models import load_digits


@pytest.mark.parametrize("name", SETTINGS)
def test_the_stages_leave_what_they_promise(name, tmp_path):
    digits = load_digits(own(tmp_path / "own.npz"))
    settings = DemoSettings(name, 40, 1, 2, 1, sparsity=0.9, bits=3)
    model = settings.build()
    settings.train(model, digits)
    settings.prune(model, digits)
    kernels = [weight for weight in model.get_weights() if weight.ndim > 1]
    n_zeros = sum((kernel == 0).sum() for kernel in kernels)
    assert n_zeros == round(0.9 * sum(kernel.size for kernel in kernels))
    settings.share(model, digits)
    kernels = [weight for weight in model.get_weights() if weight.ndim > 1]
    assert sum((kernel == 0).sum() for kernel in kernels) == n_zeros
    assert max(len(np.unique(kernel)) for kernel in kernels) == 8


def test_the_settings_are_those_of_the_papers_nets():
    assert list(SETTINGS) == ["lenet_300_100", "lenet5"]
    counts = [settings.build().count_params() for settings in SETTINGS.values()]
    assert counts == [266_610, 431_080]
