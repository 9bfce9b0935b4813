import io
import json

import keras
import numpy as np
import pytest
from helpers.nets import bits, dense_net, image_net, kernels, regression

import deepcompress as dc


def trained():
    model = dense_net()
    model.fit(*regression(), epochs=30, verbose=0)
    return model


def test_every_layer_is_measured_at_every_setting_and_put_back():
    model = trained()
    before = model.get_weights()
    result = dc.sensitivity(model, *regression(), sparsities=[0.1, 0.9], bits=[1, 5])
    assert [(p.layer, p.kind, p.setting) for p in result.points] == [
        (layer, kind, setting)
        for layer in ("hidden", "out")
        for kind, setting in (
            ("sparsity", 0.1),
            ("sparsity", 0.9),
            ("bits", 1),
            ("bits", 5),
        )
    ]
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    losses = {(p.layer, p.setting): p.metrics["loss"] for p in result.points}
    for layer in ("hidden", "out"):
        assert losses[layer, 0.9] > losses[layer, 0.1]
        assert losses[layer, 1] > losses[layer, 5]


def test_a_point_is_what_the_changed_model_evaluates_to():
    model = trained()
    x, y = regression()
    (point,) = dc.sensitivity(
        model, x, y, sparsities=[0.7], bits=[], layers="out"
    ).points
    dc.prune(model, 0.7, layers="out")
    assert point.metrics["loss"] == pytest.approx(model.evaluate(x, y, verbose=0))


def test_samples_count_as_they_are_weighed():
    model = trained()
    x, y = regression()
    weight = np.linspace(0, 1, len(x)).astype("float32")
    settings = {"sparsities": [0.7], "bits": [2], "layers": "out"}
    result = dc.sensitivity(model, x, y, sample_weight=weight, **settings)
    weighted = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert result.baseline["loss"] == pytest.approx(weighted)
    assert weighted != pytest.approx(model.evaluate(x, y, verbose=0))
    pruned, shared = result.points
    before = model.get_weights()
    dc.prune(model, 0.7, layers="out")
    found = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert pruned.metrics["loss"] == pytest.approx(found)
    model.set_weights(before)
    dc.WeightSharingQuantizer(2, layers="out").quantize(model)
    found = model.evaluate(x, y, sample_weight=weight, verbose=0)
    assert shared.metrics["loss"] == pytest.approx(found)


def test_settings_may_be_read_once():
    settings = {"sparsities": [0.5, 0.9], "bits": [2], "layers": ["hidden", "out"]}
    model = trained()
    from_lists = dc.sensitivity(model, *regression(), **settings)
    once = {name: iter(value) for name, value in settings.items()}
    assert dc.sensitivity(model, *regression(), **once).points == from_lists.points
    assert len(from_lists.points) == 6


def test_the_weights_come_back_after_an_error():
    model = trained()
    before = kernels(model)
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        dc.sensitivity(model, *regression(), sparsities=[0.5, 1.5])
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernel, before[name])


def test_table_numbers_and_plot():
    model = image_net()
    model.compile("adam", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 8, 8, 1)), rng.standard_normal((8, 5))
    result = dc.sensitivity(model, x, y, sparsities=[0.5, 0.9], bits=[2])
    assert result.metric == "mae"
    text = str(result)
    for word in ("block/conv2", "90%", "bits", f"{result.baseline['mae']:.4f}"):
        assert word in text
    assert "block/conv2</td>" in result._repr_html_()
    assert "90% zero</th>" in result._repr_html_()
    assert len(json.loads(json.dumps(result.to_dict()))["points"]) == 9
    figure = result.plot()
    assert [len(axes.lines) for axes in figure.axes] == [4, 4]
    image = io.BytesIO()
    figure.savefig(image)
    assert image.getvalue().startswith(b"\x89PNG")


def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"model\.compile"):
        dc.sensitivity(model, np.ones((4, 3)), np.ones((4, 2)))


@pytest.mark.parametrize("is_compiled", [True, False])
def test_without_targets_it_is_measured_how_far_the_outputs_move(is_compiled):
    model = trained()
    if not is_compiled:
        model = type(model).from_config(model.get_config())
    before = model.get_weights()
    x, _ = regression()
    result = dc.sensitivity(model, x, sparsities=[0.1, 0.9], bits=[1, 3])
    assert result.baseline == {"distance": 0.0}
    moved = {(p.layer, p.kind, p.setting): p.metrics["distance"] for p in result.points}
    for layer in ("hidden", "out"):
        assert 0 < moved[layer, "sparsity", 0.1] < moved[layer, "sparsity", 0.9]
        assert 0 < moved[layer, "bits", 3] < moved[layer, "bits", 1]
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_verbose_prints_every_measurement(capsys):
    dc.sensitivity(trained(), *regression(), sparsities=[0.5], bits=[], verbose=1)
    assert capsys.readouterr().out.count("SensitivityPoint") == 2


class Owner(keras.layers.Layer):
    """A layer with a kernel of its own and a layer inside it."""

    def __init__(self, n_units, **kwargs):
        super().__init__(**kwargs)
        self.n_units = n_units
        self.inner = keras.layers.Dense(n_units, activation="relu")

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1], self.n_units), name="scale")
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x) + x @ self.scale


def owner_net(model_class=keras.Sequential):
    keras.utils.set_random_seed(3)
    model = model_class(
        [keras.Input((10,)), Owner(12, name="owner"), keras.layers.Dense(3)]
    )
    model.compile("adam", "mse")
    return model


def test_a_layer_around_others_is_measured_by_its_own_kernel_alone():
    model = owner_net()
    before = bits(model)
    x, y = regression()
    result = dc.sensitivity(model, x, y, sparsities=[0.9], bits=[1])
    assert bits(model) == before
    own, inner = model.layers[0].scale, model.layers[0].inner.kernel
    kernels = [own, inner, model.layers[1].kernel]
    rows = list(dict.fromkeys(point.layer for point in result.points))
    assert rows[:2] == ["owner", f"owner/{model.layers[0].inner.name}"]
    assert len(rows) == 3
    for kernel, point in zip(kernels, result.points[::2], strict=True):
        value = kernel.numpy()
        largest = np.sort(np.abs(value), axis=None)[round(0.9 * value.size)]
        kernel.assign(np.where(np.abs(value) >= largest, value, 0))
        found = model.evaluate(x, y, verbose=0)
        assert point.metrics["loss"] == pytest.approx(found)
        kernel.assign(value)


class Interrupted(keras.Sequential):
    """Is interrupted once it has evaluated so many times."""

    n_left = 4

    def evaluate(self, *args, **kwargs):
        result = super().evaluate(*args, **kwargs)
        self.n_left -= 1
        if self.n_left == 0:
            raise KeyboardInterrupt
        return result


@pytest.mark.parametrize("n_left", [1, 2, 4, 5])
def test_ctrl_c_leaves_the_model_as_it_was(n_left):
    model = owner_net(Interrupted)
    model.n_left = n_left
    before = bits(model)
    with pytest.raises(KeyboardInterrupt):
        dc.sensitivity(model, *regression(), sparsities=[0.9], bits=[1])
    assert bits(model) == before


def test_nan_in_one_layer_leaves_the_model_as_it_was():
    model = owner_net()
    kernel = model.layers[0].inner.kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    before = bits(model)
    with pytest.raises(ValueError, match=r"'owner/.*NaN or infinity"):
        dc.sensitivity(model, *regression(), sparsities=[0.9], bits=[1])
    assert bits(model) == before


def test_names_that_keras_makes_up_do_not_matter():
    def run():
        model = owner_net()
        result = dc.sensitivity(model, *regression(), sparsities=[0.5], bits=[2])
        return [(p.kind, p.setting, p.metrics) for p in result.points]

    assert run() == run()


class OnlyTrained(keras.Model):
    """Can be trained in its own way, and no more."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.built = True

    def train_step(self, data):
        return {"loss": 0.0}


def test_a_model_that_cannot_be_evaluated_is_named():
    model = OnlyTrained(dense_net())
    model.compile("adam")
    before = bits(model)
    with pytest.raises(ValueError, match="'OnlyTrained' has no `test_step`"):
        dc.sensitivity(model, *regression())
    assert bits(model) == before


def test_data_that_can_be_read_but_once_is_refused():
    x, y = regression()
    model = dense_net()
    with pytest.raises(ValueError, match="`x` must be data that can be read again"):
        dc.sensitivity(model, (each for each in [(x, y)]))


class OfEachOutput(keras.metrics.MeanSquaredError):
    """A number for each output."""

    def result(self):
        return keras.ops.stack([super().result()] * 2)


def test_what_is_no_number_is_left_out():
    model = dense_net()
    model.compile("adam", "mse", metrics=["mae", OfEachOutput(name="each")])
    result = dc.sensitivity(model, *regression(), sparsities=[0.5], bits=[])
    assert result.baseline.keys() == {"loss", "mae"}
