import numpy as np
import pytest
from helpers.own_digits import own

from deepcompress.commands.mnist import load_digits
from deepcompress.commands.recipes import RECIPES, Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_the_stages_leave_what_they_promise(name, tmp_path):
    digits = load_digits(own(tmp_path / "own.npz"))
    recipe = Recipe(name, 40, 1, 2, 1, sparsity=0.9, bits=3)
    model = recipe.build()
    recipe.train(model, digits)
    recipe.prune(model, digits)
    kernels = [weight for weight in model.get_weights() if weight.ndim > 1]
    n_zeros = sum((kernel == 0).sum() for kernel in kernels)
    assert n_zeros == round(0.9 * sum(kernel.size for kernel in kernels))
    recipe.share(model, digits)
    kernels = [weight for weight in model.get_weights() if weight.ndim > 1]
    assert sum((kernel == 0).sum() for kernel in kernels) == n_zeros
    assert max(len(np.unique(kernel)) for kernel in kernels) == 8


def test_the_recipes_are_those_of_the_papers_nets():
    assert list(RECIPES) == ["lenet_300_100", "lenet5"]
    counts = [recipe.build().count_params() for recipe in RECIPES.values()]
    assert counts == [266_610, 431_080]
