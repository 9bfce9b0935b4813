import keras
import numpy as np
import pytest
from keras import layers, ops

from deepcompress.search.monitor import budget_of

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = {"a": X[:, :1], "b": (X[:, 0] > 0).astype("int32")}


def gain(y, predicted):
    """Keras cannot know that more of it is better."""
    return -ops.mean(ops.square(y - predicted), axis=-1)


def mean_squared_error(y, predicted):
    """One of the user's own with the name of one of Keras'."""
    return gain(y, predicted)


class Own(keras.metrics.Mean):
    pass


def of_two(**arguments):
    x = keras.Input((4,))
    a = layers.Dense(1, name="a")(x)
    b = layers.Dense(2, activation="softmax", name="b")(x)
    model = keras.Model(x, {"a": a, "b": b})
    losses = {"a": "mse", "b": "sparse_categorical_crossentropy"}
    model.compile("adam", losses, **arguments)
    return model, model.evaluate(X, Y, verbose=0, return_dict=True)


def of_one(*metrics, **arguments):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, name="out")])
    arguments = {"loss": "mse", "metrics": list(metrics), **arguments}
    model.compile("adam", **arguments)
    return model, model.evaluate(X, Y["a"], verbose=0, return_dict=True)


def budget(made, monitor=None, mode=None):
    return budget_of(*made, monitor=monitor, mode=mode, drop=0.1, target_ratio=None)


@pytest.mark.long
@pytest.mark.parametrize(
    ("monitor", "is_less_better"),
    [
        ("loss", True), ("a_loss", True), ("b_loss", True), ("a_mae", True),
        ("a_r2_score", False), ("b_accuracy", False), ("val_b_accuracy", False),
        ("b_sparse_categorical_crossentropy", True), ("a_cosine_similarity", False),
    ],
)  # fmt: skip
def test_outputs_have_quantities_of_either_kind(monitor, is_less_better):
    made = of_two(
        metrics={"a": ["mae", keras.metrics.R2Score()], "b": ["accuracy"]},
        weighted_metrics={
            "a": ["cosine_similarity"],
            "b": [keras.metrics.sparse_categorical_crossentropy],
        },
    )
    found = budget(made, monitor)
    assert found.is_less_better is is_less_better
    assert (found.bound > found.baseline) is is_less_better


@pytest.mark.parametrize(
    ("metric", "is_less_better"),
    [
        (keras.losses.mean_absolute_error, True),
        (keras.losses.cosine_similarity, True),  # its loss is the negative
        (keras.losses.Huber(), True),
        (keras.metrics.binary_accuracy, False),
        (keras.metrics.RootMeanSquaredError(), True),
        (keras.metrics.FalseNegatives(thresholds=0.5), True),
        (keras.metrics.TruePositives(thresholds=0.5), False),
    ],
)
def test_functions_and_classes_of_keras_have_a_direction(metric, is_less_better):
    made = of_one(metric)
    (name,) = set(made[1]) - {"loss"}
    assert budget(made, name).is_less_better is is_less_better


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (gain, "gain"),
        (mean_squared_error, "mean_squared_error"),
        (keras.metrics.MeanMetricWrapper(gain, name="error"), "error"),
    ],
)
def test_what_nobody_knows_has_to_be_said(metric, name):
    made = of_one(metric)
    with pytest.raises(ValueError, match=f'{name}.*mode="min".*mode="max"'):
        budget(made, name)
    assert not budget(made, name, "max").is_less_better
    assert budget(made, name, "min").is_less_better


def test_the_loss_is_taken_where_no_accuracy_is_keras_own():
    def accuracy_of_mine(y, predicted):
        return gain(y, predicted)

    found = budget(of_one(accuracy_of_mine, "mae"))
    assert (found.monitor, found.is_less_better) == ("loss", True)
    crossentropy = "sparse_categorical_crossentropy"
    found = budget(of_two(metrics={"a": ["mae"], "b": [crossentropy, "accuracy"]}))
    assert (found.monitor, found.is_less_better) == ("b_accuracy", False)


def test_a_model_that_tells_neither_has_to_be_asked():
    class Step(keras.Model):
        def test_step(self, data):
            return {"score": ops.mean(self(data))}

    x = keras.Input((4,))
    model = Step(x, layers.Dense(1)(x))
    model.compile("adam")
    made = model, model.evaluate(X, verbose=0, return_dict=True)
    with pytest.raises(ValueError, match="monitor="):
        budget(made)
    with pytest.raises(ValueError, match="mode="):
        budget(made, "score")
    assert not budget(made, "score", "max").is_less_better
