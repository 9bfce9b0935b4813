"""What a search came to, beside the curve."""

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.searches import classifier, compress
from keras import layers

import deepcompress as dc
from deepcompress.search.copying import Copier
from deepcompress.search.result import CompressionResult
from deepcompress.search.state import Budget, CompressionPoint
from deepcompress.search.trainer import quiet

POINT = CompressionPoint(1, 1.0, 0.9, True, 8, {"a": 5}, "huffman", 1.0, 1.0, {})


def test_the_report_counts_what_layers_keep_besides_weights():
    look_up = layers.IntegerLookup()
    look_up.adapt(np.arange(900))
    model = keras.Sequential([keras.Input((3,)), look_up, layers.Embedding(1000, 2)])
    data = dc.HuffmanSerializer().dumps(model)
    result = CompressionResult(data, model, [POINT], 0, Budget("accuracy", 0.9, 0.8))
    assert result.report.parts["assets"] > 0
    arrays = sum(each.n_bytes for each in result.report.stats.values())
    assert 0 < result.report.parts["program"] < 60
    overhead = len(data) - arrays - sum(result.report.parts.values())
    assert result.report.overhead == overhead


def test_a_result_says_why_the_search_was_over():
    budget = Budget("accuracy", 0.9, 0.8)
    result = CompressionResult(
        b"", None, [POINT], 0, budget, notes=["Trained <so>."], ending="It is over."
    )
    assert result.to_dict()["ending"] == "It is over."
    assert str(result).splitlines()[-2:] == ["Trained <so>.", "It is over."]
    assert result._repr_html_().endswith("<p>Trained &lt;so&gt;.</p><p>It is over.</p>")


def test_a_result_draws_what_was_trained_and_what_was_not():
    budget = Budget("accuracy", 0.9, 0.8)
    points = [
        replace(POINT, epochs=0.0),
        POINT,
        replace(POINT, ratio=2.0),
        replace(POINT, is_accurate=False, value=0.7),
    ]
    (axes,) = CompressionResult(b"", None, points, 2, budget).plot().axes
    drawn = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    assert drawn["without training"] == 1
    assert drawn["trained"] == 2
    assert drawn["not within the budget"] == 1


def test_what_is_done_on_purpose_is_not_warned_of():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn(
                "'a': 8 weights are left where 9 were asked for", stacklevel=1
            )
            warnings.warn("Something else is wrong.", stacklevel=1)
    assert [str(each.message) for each in said] == ["Something else is wrong."]


class Doubling(layers.Layer):
    """Cannot be followed, and warns of something as it is built from its config."""

    def call(self, x):
        return 2 * x

    @classmethod
    def from_config(cls, config):
        warnings.warn("It is not what it was.", stacklevel=1)
        return cls(**config)


def test_layers_that_keep_their_units_are_told_and_other_warnings_pass():
    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(8), Doubling(name="twice"), layers.Dense(3)]
    )
    model.compile("adam", "mse")
    dc.prune(model, 0.9, structure="channel")
    copier = Copier(model)
    with pytest.warns(UserWarning, match="It is not what it was") as said:
        small = copier.shrink(model)
    assert small is not model
    assert not [each for each in said if "Left alone" in str(each.message)]
    assert [note for note in copier.notes if "'twice'" in note or "twice" in note]


def first_of(y_true, y_pred):
    return keras.losses.mean_squared_error(y_true, y_pred[:, :1])


def test_a_model_compiled_anew_without_metrics_has_notes_that_are_not_printed():
    model = classifier()  # with the accuracy
    model.compile("adam", first_of)
    result = compress(model, target_ratio=1.5, max_accuracy_drop=0.9)
    assert any("has no teacher" in note for note in result.notes)
    assert result.to_dict()["notes"] == result.notes
