import json

import keras
import numpy as np
import pytest
from helpers.running import run_program
from helpers.searches import blobs, classifier, compress, levels_of
from keras import layers

import deepcompress as dc
from deepcompress.search import copying, distilling, trainer
from deepcompress.search.checkpoint import Checkpoint, Kept
from deepcompress.search.compress import search
from deepcompress.search.display import Display
from deepcompress.search.level import Levels
from deepcompress.search.policy import Policy
from deepcompress.search.state import Budget, State


@pytest.mark.parametrize(
    "model",
    [
        classifier,
        lambda: classifier("softmax"),
        lambda: classifier(normalize=True),
    ],
    ids=["logits", "softmax", "normalized"],
)
def test_the_file_is_what_is_reported(model, tmp_path):
    model = model()
    before = model.get_weights()
    result = compress(model, target_ratio=4.0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert result.is_met
    result.save(tmp_path / "small.dcz")
    assert (tmp_path / "small.dcz").stat().st_size == result.best.size
    dense = sum(weight.nbytes for weight in before)
    assert result.best.ratio == pytest.approx(dense / result.best.size)
    assert result.best.n_weights < 16 * 64 + 64 * 3
    loaded = dc.load_model(tmp_path / "small.dcz")
    measured = loaded.evaluate(*blobs(300, seed=2), verbose=0, return_dict=True)
    assert measured["accuracy"] == pytest.approx(result.best.value)
    assert result.best.value >= result.budget.baseline - 0.05 - 1e-6
    for ours, theirs in zip(
        loaded.get_weights(), result.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    smallest = min(p.size for p in result.curve if p.is_accurate)
    assert result.best.size == smallest


def test_a_ratio_that_is_reached_ends_the_search():
    # Of so small a net the architecture and the program take the most.
    result = compress(classifier(), target_ratio=1.8)
    assert result.is_met
    assert result.best.ratio >= 1.8
    assert all(point.ratio < 1.8 for point in result.curve[:-1])


def test_a_budget_that_cannot_be_met_ends_with_the_best_point(capsys):
    with pytest.warns(UserWarning, match="budget was not met"):
        result = compress(classifier(), target_ratio=1e6, time_budget=3, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    # The best file without training has one line, and each level.
    n_untrained = len(result.curve) + 3 - len(lines)
    assert n_untrained >= 1
    for line, point in zip(lines[1:-2], result.curve[n_untrained:], strict=True):
        assert f": {point.n_weights:,} weights, {point.size:,} bytes (" in line
        assert line.endswith("not within the budget") is not point.is_accurate
    assert lines[0].startswith("untrained 1/1: ")
    assert lines[-2].startswith("The search is over: ")
    assert lines[-1] == repr(result)[1:-1]
    assert not result.is_met
    assert "NOT met" in str(result)
    assert result.ending in str(result).replace("\n", " ")
    html = result._repr_html_()
    assert html.count("<tr>") == 1 + len(result.curve)
    assert f"{result.best.size:,}</td>" in html
    assert json.loads(json.dumps(result.to_dict()))["is_met"] is False


def test_a_regression_is_held_to_its_loss():
    keras.utils.set_random_seed(0)
    x, _ = blobs()
    y = x[:, :2] ** 2
    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    model.fit(x, y, epochs=10, verbose=0)
    result = dc.compress(
        model, (x[:400], y[:400]), (x[400:], y[400:]),
        max_accuracy_drop=0.5, time_budget=3, verbose=0,
    )  # fmt: skip
    assert result.budget.is_less_better
    assert result.is_met
    assert result.best.value <= 1.5 * result.budget.baseline * (1 + 1e-5)


@pytest.mark.parametrize("when", ["untrained", "run"])
def test_an_interrupted_search_gives_the_best_so_far(when, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    def interrupted_later(*arguments):
        yield interrupted()

    is_later = when == "untrained"
    monkeypatch.setattr(Levels, when, interrupted_later if is_later else interrupted)
    model = classifier()
    result = compress(model, verbose=1)
    assert "it was interrupted" in capsys.readouterr().out
    assert result.is_met
    assert len(result.curve) == 1 or not is_later
    measured = result.model.evaluate(*blobs(300, seed=2), verbose=0, return_dict=True)
    assert measured["accuracy"] == pytest.approx(result.best.value)
    monkeypatch.setattr(Levels, "as_given", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compress(model)


def test_the_model_is_trained_with_its_own_kind_of_optimizer(monkeypatch):
    kinds = []

    def seen(self, *arguments):
        kinds.append(type(self._trainer._stepping.optimizer(1.0, 10)))
        raise KeyboardInterrupt  # that is enough

    monkeypatch.setattr(Levels, "run", seen)
    monkeypatch.setattr(Policy, "next_untrained", lambda *_, **__: None)
    model = classifier()
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100)),
        model.loss,
        metrics=["accuracy"],
    )
    result = compress(model)
    assert {kind.__name__ for kind in kinds} == {"SGD"}
    assert any("SGD at 0.05" in note for note in result.notes)
    kinds.clear()
    result = compress(model, optimizer="adam", learning_rate=0.01)
    assert {kind.__name__ for kind in kinds} == {"Adam"}
    assert result.notes == []


@pytest.mark.long
def test_a_killed_search_goes_on(tmp_path):
    folder = tmp_path / "state"
    assert run_program("die_in_search", folder, 2).returncode == 9
    state = json.loads((folder / "state.json").read_text())
    resumed = run_program("die_in_search", folder, -1)
    assert resumed.returncode == 0, resumed.stderr
    sizes = json.loads(resumed.stdout.splitlines()[-1].split(" ", 1)[1])
    before = [point["size"] for point in state["state"]["curve"]]
    assert len(before) >= 2
    assert sizes[: len(before)] == before
    assert len(sizes) > len(before)
    with pytest.raises(ValueError, match="checkpoint"):
        compress(classifier(), checkpoint=folder, target_ratio=9.0)


def test_the_plot_shows_every_point():
    result = compress(classifier(), time_budget=2)
    (axes,) = result.plot().axes
    drawn = sum(len(line.get_xdata()) for line in axes.lines[:3])
    assert drawn == len(result.curve)


def test_what_cannot_be_compressed_is_refused():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="compile"):
        compress(model)
    model = classifier()
    with pytest.raises(ValueError, match="max_accuracy_drop"):
        compress(model, max_accuracy_drop=1.5)
    with pytest.raises(ValueError, match="time_budget"):
        compress(model, time_budget=0)
    with pytest.raises(ValueError, match="coder"):
        compress(model, coder="zip")
    with pytest.raises(ValueError, match="validation_data"):
        dc.compress(model, blobs(), None, verbose=0)
    x, y = blobs()
    with pytest.raises(ValueError, match="train"):
        dc.compress(model, (x[:, :5], y), (x, y), verbose=0)


@pytest.mark.long
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
@pytest.mark.parametrize("is_length_known", [True, False])
def test_a_dataset_trains_without_warnings(is_length_known):
    import tensorflow as tf

    train = tf.data.Dataset.from_tensor_slices(blobs()).batch(64)
    validation = tf.data.Dataset.from_tensor_slices(blobs(300, seed=2)).batch(64)
    if not is_length_known:
        train = train.filter(lambda x, y: True)
    model = classifier()
    arguments = {"max_accuracy_drop": 0.1, "target_ratio": 2.0, "time_budget": 300}
    result = dc.compress(model, train, validation, **arguments, verbose=0)
    assert result.is_met
    assert len(result.curve) > 1
    with pytest.raises(ValueError, match="never ends"):
        dc.compress(model, train.repeat(), validation, verbose=0)


@pytest.mark.long
def test_of_files_out_of_bounds_the_most_accurate_is_kept():
    model = classifier()
    impossible = Budget("loss", baseline=0.0, bound=0.0, is_less_better=True)
    levels = levels_of(model, impossible, time_budget=0.1, first_bits=1)
    begin = Kept(State(n_good=dc.count_weights(model)), model, b"")
    result = search(
        levels, begin, Checkpoint(None, model, {}), Display(0, "loss"), seed=0
    )
    assert not result.is_met
    values = [point.value for point in result.curve]
    assert len(values) > 1
    assert values[0] != min(values)
    assert result.best.value == min(values)


def test_the_first_level_leaves_time_to_share_its_weights(monkeypatch):
    model, steps = classifier(), []
    levels = levels_of(model, Budget("accuracy", baseline=0.9, bound=0.8))
    begin = Kept(State(n_good=dc.count_weights(model)), model, b"")

    def run(net, step, show):
        steps.append(step)
        raise KeyboardInterrupt

    monkeypatch.setattr(levels, "run", run)
    search(levels, begin, Checkpoint(None, model, {}), Display(0, "accuracy"), seed=0)
    (step,) = steps
    assert step.reserve == levels.untrained_seconds > 0


@pytest.mark.long
@pytest.mark.parametrize("is_logits", [True, False])
def test_a_net_of_two_class_outputs_has_a_teacher(is_logits, monkeypatch):
    made = []

    def distiller(*arguments):
        made.append(distilling.distiller(*arguments))
        return made[-1]

    monkeypatch.setattr(trainer, "distiller", distiller)
    model = classifier(None if is_logits else "sigmoid")
    loss = keras.losses.BinaryCrossentropy(from_logits=is_logits)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    parts = [(x, np.eye(3, dtype="float32")[y]) for x, y in (blobs(), blobs(300, 2))]
    model.fit(*parts[0], epochs=5, verbose=0)
    result = dc.compress(
        model,
        *parts,
        max_accuracy_drop=0.1,
        target_ratio=2.0,
        time_budget=300,
        verbose=0,
    )
    assert result.is_met
    assert len(result.curve) > 1
    assert None not in made
    assert made


@pytest.mark.long
def test_weighted_samples_have_no_teacher(monkeypatch):
    monkeypatch.setattr(trainer, "distiller", None)
    train = (*blobs(), np.ones(600, "float32"))
    validation = (*blobs(300, seed=2), np.ones(300, "float32"))
    result = dc.compress(
        classifier(), train, validation,
        max_accuracy_drop=0.1, target_ratio=2.0, time_budget=300, verbose=0,
    )  # fmt: skip
    assert result.is_met
    assert len(result.curve) > 1


@pytest.mark.long
def test_a_training_that_diverges_is_tried_at_half_the_rate(monkeypatch):
    rates, fit = [], trainer.Trainer.fit

    def diverging(self, *arguments, rate, **named):
        rates.append(rate)
        if rate == 1.0:
            raise trainer.DivergedError("loss is nan")
        return fit(self, *arguments, rate=rate, **named)

    monkeypatch.setattr(trainer.Trainer, "fit", diverging)
    monkeypatch.setattr(Policy, "next_untrained", lambda *_, **__: None)
    with pytest.warns(UserWarning, match="half the learning rate"):
        result = compress(classifier(), target_ratio=9.0)
    assert result.is_met
    assert rates[:2] == [1.0, 0.5]


def test_data_that_does_not_fit_is_named():
    (x, y), validation = blobs(), blobs(300, seed=2)
    model = classifier()
    with pytest.raises(ValueError, match="came up with `validation_data`"):
        dc.compress(model, (x, y), (x[:, :5], y), verbose=0)
    with pytest.raises(ValueError, match="training on `train` diverged"):
        dc.compress(model, (np.full_like(x, np.nan), y), validation, verbose=0)
    with pytest.raises(ValueError, match="read again and again"):
        dc.compress(model, (batch for batch in ()), validation, verbose=0)


class Plain(keras.Model):
    """With the names that Keras makes up."""

    def __init__(self):
        super().__init__()
        self.wide, self.out = layers.Dense(64, activation="relu"), layers.Dense(3)

    def call(self, x):
        return self.out(self.wide(x))


class Penalty(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(x - 1)))
        return x


def with_automatic_names():
    model = Plain()
    model(blobs()[0][:1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model, blobs(), blobs(300, seed=2)


def with_a_loss_of_its_own():
    def scale(factor):
        return lambda y, p: factor * keras.ops.mean(keras.ops.square(y - p), axis=-1)

    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
    )
    model.compile("adam", scale(0.5), metrics=[scale(0.1)])
    return model, *((x, x[:, :2]) for x, _ in (blobs(), blobs(300, seed=2)))


def with_a_loss_inside():
    inputs = [keras.Input((8,)), keras.Input((8,))]
    x = layers.Dense(32, activation="relu")(layers.Concatenate()(inputs))
    model = keras.Model(inputs, Penalty()(layers.Dense(4)(x)))
    model.compile("adam")
    return model, *([x[:, :8], x[:, 8:]] for x, _ in (blobs(), blobs(300, seed=2)))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    "make", [with_automatic_names, with_a_loss_of_its_own, with_a_loss_inside]
)
def test_ordinary_models_are_compressed(make):
    model, train, validation = make()
    before = model.get_weights()
    result = dc.compress(
        model, train, validation,
        max_accuracy_drop=0.5, target_ratio=3.0, time_budget=300, verbose=0,
    )  # fmt: skip
    assert result.is_met
    assert len(result.curve) > 1
    assert type(result.model) is type(model)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x, y = validation if isinstance(validation, tuple) else (validation, None)
    measured = result.model.evaluate(x, y, batch_size=256, verbose=0, return_dict=True)
    assert measured[result.budget.monitor] == pytest.approx(result.best.value, rel=1e-4)


@pytest.mark.long
def test_a_net_that_cannot_be_followed_is_compressed_unshrunk(monkeypatch, capsys):
    def shrink(model):
        raise ValueError("the layer 'wide' is not known")

    monkeypatch.setattr(copying, "shrink", shrink)
    monkeypatch.setattr(Policy, "next_untrained", lambda *_, **__: None)
    result = compress(classifier(), target_ratio=9.0, verbose=1)
    assert result.is_met
    assert result.best.epochs > 0
    assert capsys.readouterr().out.count("'wide' is not known") == 1


def test_a_copy_that_computes_something_else_is_refused():
    class Shifted(keras.Model):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.out, self.table = layers.Dense(1), {"shift": 0.0}

        def call(self, x):
            return self.out(x) + self.table["shift"]

    x, y = blobs()
    model = Shifted()
    model(x[:1])
    model.table["shift"] = 5.0  # no config tells of it
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="evaluates to"):
        dc.compress(model, (x, y), (x, y), time_budget=5, verbose=0)
