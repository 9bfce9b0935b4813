"""With which optimizer a search trains."""

import keras
import numpy as np
import pytest
from keras import ops, optimizers
from keras.optimizers import schedules

from deepcompress.search.stepping import stepping_of


class Own(optimizers.SGD):
    """One of the user's own, which may need what no config tells."""


class Rising(schedules.LearningRateSchedule):
    """A schedule without a config."""

    def __call__(self, step):
        return 0.001 * (1.0 + ops.cast(step, "float32"))


@pytest.mark.parametrize(
    ("given", "kind", "rate"),
    [
        (optimizers.SGD(0.1, momentum=0.9, weight_decay=5e-4), optimizers.SGD, 0.1),
        (optimizers.Adam(3e-4), optimizers.Adam, 3e-4),
        (optimizers.Lion(1e-4, clipnorm=1.0), optimizers.Lion, 1e-4),
        (optimizers.LossScaleOptimizer(optimizers.AdamW(2e-3)), optimizers.AdamW, 2e-3),
        (optimizers.SGD(schedules.CosineDecay(0.1, 100)), optimizers.SGD, 0.05),
        # It rises first: the peak counts, not where it begins.
        (
            optimizers.Adam(
                schedules.CosineDecay(0.0, 100, warmup_target=0.01, warmup_steps=10)
            ),
            optimizers.Adam,
            0.005,
        ),
        (Own(0.5), optimizers.Adam, 1e-3),
        (None, optimizers.Adam, 1e-3),
    ],
)
def test_the_users_own_kind_of_optimizer_trains(given, kind, rate):
    stepping = stepping_of(given)
    # PyTorch has kinds of its own below them.
    assert issubclass(stepping.kind, kind)
    assert stepping.rate == pytest.approx(rate, rel=0.05)
    made = stepping.optimizer(1.0, 1000)
    assert type(made) is stepping.kind
    for name in ("momentum", "weight_decay", "clipnorm"):
        if kind is type(given):
            assert getattr(made, name, None) == getattr(given, name, None)


def test_a_schedule_counts_as_far_as_it_was_followed():
    optimizer = optimizers.SGD(Rising())
    variable = keras.Variable(np.ones(2, "float32"))
    for _ in range(10):
        optimizer.apply([ops.ones(2)], [variable])
    assert stepping_of(optimizer).rate == pytest.approx(0.5 * 0.01)


def test_what_is_asked_for_is_taken():
    given = optimizers.Adam(0.1)
    assert stepping_of(given, rate=0.5).rate == 0.5
    assert issubclass(stepping_of(given, chosen="sgd").kind, optimizers.SGD)
    chosen = optimizers.SGD(0.2, momentum=0.8)
    stepping = stepping_of(given, chosen=chosen)
    assert (stepping.rate, stepping.config["momentum"]) == (pytest.approx(0.2), 0.8)
    assert not stepping.note
    assert stepping_of(Own(0.5), rate=0.25).rate == 0.25


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            optimizers.SGD(schedules.CosineDecay(0.1, 100)),
            "SGD at 0.05, 50% of the peak",
        ),
        (Own(0.1), "Adam, as no Own can be made anew"),
        (optimizers.SGD(0.1), ""),
        (None, ""),
    ],
)
def test_what_is_not_as_it_was_is_said(given, words):
    note = stepping_of(given).note
    assert words in note
    assert bool(note) is bool(words)


@pytest.mark.parametrize("n_accumulated", [None, 4])
def test_the_rate_rises_and_falls_to_the_end(n_accumulated):
    given = optimizers.SGD(0.1, gradient_accumulation_steps=n_accumulated)
    made = stepping_of(given).optimizer(0.5, 400 * (n_accumulated or 1))
    schedule = made._learning_rate
    rates = [float(ops.convert_to_numpy(schedule(step))) for step in range(401)]
    assert max(rates) == pytest.approx(0.05, rel=1e-3)
    assert 0 < rates[0] < 0.5 * max(rates)
    assert rates[-1] == pytest.approx(0.03 * 0.05, rel=1e-2)
    assert int(np.argmax(rates)) < 50
