"""What is known of the moments of some hundred inputs."""

import keras
import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage

import deepcompress as dc
from deepcompress.calibration.kernel import Sums, _expected
from deepcompress.calibration.solving import shrinkage


def inputs(n: int, *, seed: int = 0) -> np.ndarray:
    """Inputs that go together, as pixels do, of one group."""
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(40, 40)))
    along = random.normal(size=(n, 40)) / np.sqrt(np.arange(1, 41))
    return (along @ axes).astype("float32")[:, None]


def damping(rows: np.ndarray, n_parts: int) -> float:
    """What is added to the moments of the rows, in parts of their mean."""
    sums = Sums(n_parts)
    for batch in np.array_split(rows, 4):
        sums.add(batch, None)
    sums.end()
    moments, mean = sums.moments / sums.n, sums.mean / sums.n
    centred = moments - mean[:, :, None] * mean[:, None, :]
    (found,) = shrinkage(centred, sums.variance)
    return float(found)


def test_moments_shrink_as_ledoit_and_wolf_say():
    rows = inputs(200)
    part = ledoit_wolf_shrinkage(rows[:, 0].astype("float64"))
    assert damping(rows, 50) == pytest.approx(part / (1 - part), rel=0.15)


def test_few_parts_tell_about_as_much():
    rows = inputs(1024)
    assert damping(rows, 4) == pytest.approx(damping(rows, 256), rel=0.3)


def test_fewer_inputs_are_believed_less():
    found = [damping(inputs(n), 16) for n in (64, 256, 1024)]
    assert found[0] > 2 * found[1] > 4 * found[2]


def test_rows_that_go_together_count_as_the_few_that_they_are():
    rows = inputs(128)
    again = np.repeat(rows, 8, axis=0)
    assert damping(again, 8) == pytest.approx(damping(rows, 8), rel=0.01)


def test_one_row_says_nothing_of_what_it_is_worth():
    sums = Sums(4)
    sums.add(inputs(1), None)
    sums.end()
    assert not sums.variance.any()


@pytest.mark.parametrize("groups", [1, 3])
def test_every_group_is_by_itself(groups):
    rows = np.concatenate([inputs(64, seed=seed) for seed in range(groups)], axis=1)
    sums = Sums(16)
    sums.add(rows, None)
    for group, variance in enumerate(sums._variance()):
        alone = Sums(16)
        alone.add(rows[:, group : group + 1], None)
        assert variance == pytest.approx(alone._variance()[0], rel=1e-5)


def test_few_inputs_do_for_inputs_that_go_together(monkeypatch):
    """A net that was pruned with few inputs does better on others than undamped."""
    x, others = inputs(96)[:, 0], inputs(500, seed=1)[:, 0]

    def moved() -> float:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(30)])
        before = model.predict(others, verbose=0)
        dc.prune(model, 0.6, data=x)
        return float(np.square(model.predict(others, verbose=0) - before).mean())

    with_it = moved()
    monkeypatch.setattr(
        "deepcompress.calibration.kernel.shrinkage", lambda moments, variance: 1e-4
    )
    assert with_it < 0.97 * moved()


def test_words_that_do_not_occur_are_expected_as_often_as_those_that_occur_once():
    """In as many words more, drawn as those before, as often as it is said."""
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, 3001)
    shares /= shares.sum()
    seen, more = (
        np.bincount(random.choice(3000, 2000, p=shares), minlength=3000)
        for _ in range(2)
    )
    never = seen == 0
    assert _expected(seen)[never].sum() == pytest.approx(more[never].sum(), rel=0.2)
    assert (_expected(seen)[~never] == seen[~never]).all()


def test_where_every_word_occurs_often_others_hardly_count():
    expected = _expected(np.array([50, 40, 0, 30]))
    assert expected[2] == pytest.approx(0.01 * 30)
