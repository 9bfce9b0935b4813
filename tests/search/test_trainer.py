import keras
import numpy as np
import pytest
from helpers.searches import blobs, classifier, ticking
from keras import layers

from deepcompress.network.variables import named_variables
from deepcompress.search import trainer as trainer_module
from deepcompress.search.copying import Copier
from deepcompress.search.stepping import stepping_of
from deepcompress.search.trainer import DivergedError, Timer, Trainer


class Own(layers.Layer):
    """A layer that Keras does not know."""

    def call(self, x):
        return x * 2


def own_loss(y, outputs):
    return keras.ops.mean(keras.ops.square(outputs))


class Subclassed(keras.Model):
    def __init__(self, units=5, **arguments):
        super().__init__(**arguments)
        self.units = units
        self.dense = layers.Dense(units, name="dense")

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def sequential(*its, **arguments):
    model = keras.Sequential([keras.Input((16,)), *its])
    model.compile("sgd", "mse", **arguments)
    return model


def subclassed():
    model = Subclassed()
    model.build((None, 16))
    model.compile("adam", own_loss)
    return model


MODELS = {
    "functional": classifier,
    "nested": lambda: sequential(
        keras.Sequential([layers.Dense(4), layers.BatchNormalization(trainable=False)])
    ),
    "own": lambda: sequential(layers.Dense(4), Own(), metrics=[own_loss]),
    "lambda": lambda: sequential(layers.Dense(4), layers.Lambda(lambda x: x + 1)),
    "bfloat16": lambda: sequential(layers.Dense(4, dtype="bfloat16")),
    "subclassed": subclassed,
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_copy_is_the_model_again(make):
    model = make()
    weights = model.get_weights()
    if weights[0].dtype == np.float32:
        # A NaN has a payload, and a zero a sign.
        weights[0].view(np.uint32).flat[:2] = 0x7FC00123, 0x80000000
        model.set_weights(weights)
    copy = Copier(model).copy(model)
    assert type(copy) is type(model)
    assert copy is not model
    for ours, theirs in zip(copy.weights, model.weights, strict=True):
        assert ours is not theirs
        assert ours.dtype == theirs.dtype
        assert ours.trainable == theirs.trainable
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()
    names = [[v.name for v in named_variables(m)] for m in (copy, model)]
    assert names[0] == names[1]
    assert copy.compiled
    assert copy.get_compile_config() == model.get_compile_config()


def test_a_copy_is_trained_by_itself():
    model = classifier()
    before = model.get_weights()
    copy = Copier(model).copy(model)
    copy.fit(*blobs(), verbose=0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_timer_leaves_out_the_first_step_and_stops():
    model = classifier()
    timer = Timer(0.0485, now=ticking())  # each look takes a thousandth
    model.fit(*blobs(), batch_size=10, epochs=3, verbose=0, callbacks=[timer])
    assert timer.n_steps_of_epoch == 60
    assert timer.n_done == 49
    assert timer.step_seconds == pytest.approx(0.001)
    few = Timer(1.0, n_steps=1, now=ticking())
    model.fit(*blobs(), epochs=3, verbose=0, callbacks=[few])
    assert few.n_done == 1
    assert few.step_seconds is None


def trainer_of(model, train=None, *, has_teacher=True):
    copier = Copier(model)
    teacher = copier.copy(model)
    return Trainer(
        teacher, train or blobs(), blobs(300, seed=2), batch_size=None,
        teacher=teacher if has_teacher else None, copier=copier, now=ticking(),
        stepping=stepping_of(model.optimizer),
    )  # fmt: skip


def doing_nothing(n_steps):
    return [keras.callbacks.Callback()]


def test_a_trained_net_is_compiled_as_it_was():
    model = classifier()
    trainer = trainer_of(model, has_teacher=False)
    trainer.probe(trainer._copier.copy(model), 1.0)
    before = trainer.evaluate(model)
    fit = trainer.fit(model, 2, doing_nothing, seconds=100.0, rate=0.5)
    assert trainer.epoch_seconds == pytest.approx(0.01)
    assert fit.seconds == pytest.approx(0.02)
    assert trainer.evaluate(model) != before
    assert list(trainer.evaluate(model)) == list(before)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_where_time_is_short_the_rate_falls_in_what_there_is():
    rates = []

    class Noting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rate = self.model.optimizer.learning_rate
            rates.append(float(keras.ops.convert_to_numpy(rate)))

    model = classifier()
    trainer = trainer_of(model, has_teacher=False)
    trainer.probe(trainer._copier.copy(model), 1.0)
    assert (trainer.n_steps, trainer.step_seconds) == (10, pytest.approx(0.001))
    fit = trainer.fit(model, 8, lambda _: [Noting()], seconds=0.0355)
    assert len(rates) == 35
    assert fit.epochs == pytest.approx(3.5)
    assert rates[-1] < 0.1 * max(rates)
    rates.clear()
    trainer.fit(model, 3, lambda _: [Noting()], seconds=10.0)
    assert len(rates) == 30


def test_a_long_epoch_counts_as_several(monkeypatch):
    monkeypatch.setattr(trainer_module, "_STEPS_OF_EPOCH", 4)
    model = classifier()
    trainer = trainer_of(model, has_teacher=False)
    trainer.probe(trainer._copier.copy(model), 1.0)
    assert trainer.n_steps == 4  # of the 10 of an epoch
    told, shown = [], []

    def telling(n_steps):
        told.append(n_steps)
        return [keras.callbacks.Callback()]

    fit = trainer.fit(model, 2, telling, seconds=100.0, show=shown.append)
    assert (told, shown) == ([8], [1, 2])
    assert fit.epochs == pytest.approx(0.8)
    fit = trainer.fit(model, 4, telling, seconds=0.0135)
    assert told == [8, 13]
    assert fit.epochs == pytest.approx(1.3)


def test_as_many_batches_are_trained_as_make_a_step():
    model = classifier()
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    model.compile(optimizer, model.loss, metrics=["accuracy"])
    trainer = trainer_of(model, has_teacher=False)
    trainer.probe(trainer._copier.copy(model), 1.0)
    before = model.get_weights()
    fit = trainer.fit(model, 1, doing_nothing, seconds=0.0)
    assert fit.epochs == pytest.approx(0.4)
    assert not any(map(np.array_equal, model.get_weights(), before))


def test_a_rate_of_nothing_trains_nothing():
    model = classifier()
    before = model.get_weights()
    trainer = trainer_of(model, has_teacher=False)
    trainer.probe(trainer._copier.copy(model), 1.0)
    trainer.fit(model, 1, doing_nothing, seconds=100.0, rate=0.0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(DivergedError):
        trainer.fit(model, 1, doing_nothing, seconds=100.0, rate=1e36)


class Spread(keras.metrics.Mean):
    """One of the user's own, which Keras cannot make anew."""

    def update_state(self, y, outputs, sample_weight=None):
        return super().update_state(keras.ops.std(outputs))


def test_a_metric_of_the_users_own_begins_anew_with_every_model():
    def own(y, outputs):
        return keras.ops.mean(keras.ops.abs(outputs), axis=-1)

    model = classifier()
    wrapped = keras.metrics.MeanMetricWrapper(own, name="own")
    model.compile("adam", model.loss, metrics=[Spread(name="spread"), wrapped])
    other = trainer_of(model)._copier.copy(model)
    other.set_weights([3 * weight for weight in other.get_weights()])
    trainer = trainer_of(model)
    expected = trainer.evaluate(model)
    assert trainer.evaluate(other)["own"] > 2 * expected["own"]
    # A model that is evaluated for the first time.
    copy = trainer._copier.copy(model)
    assert trainer.evaluate(copy) == pytest.approx(expected)
    trainer.evaluate(other)
    late = trainer._copier.copy(model)
    x, y = blobs(300, seed=2)
    found = late.evaluate(x, y, batch_size=256, verbose=0, return_dict=True)
    assert found == pytest.approx(expected)
