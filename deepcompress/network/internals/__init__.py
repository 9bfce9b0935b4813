"""What Keras keeps to itself and this library needs, each in one function.

Nothing else in the library touches an attribute of Keras that begins with an
underscore, so that a new release of Keras has one place to be held against, and one
test (`tests/network/test_internals.py`) that says what it has changed. All were seen in
Keras 3.15.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
from keras.src.saving import serialization_lib


def is_jax() -> bool:
    """Whether JAX computes, on which a step sees only what it is handed."""
    return bool(keras.backend.backend() == "jax")


def flatten_layers(
    layer: Any, *, include_self: bool = True, recursive: bool = True
) -> Iterator[Any]:
    """Yields a layer and the layers inside it, outer ones first.

    `Layer._flatten_layers`: `Model.layers` leaves out what a subclass holds in lists,
    and has no order for nested layers.
    """
    yield from layer._flatten_layers(include_self=include_self, recursive=recursive)


def compiled_with(model: Any) -> dict[str, Any]:
    """Returns the arguments of `compile` as the user gave them; none if there are none.

    `Trainer._compile_config`: `get_compile_config` has them serialized, in which a
    function of the user's own is only a name.
    """
    return dict(getattr(getattr(model, "_compile_config", None), "config", None) or {})


def mark_compiled(model: Any) -> None:
    """Makes a model that was compiled inside a `StatelessScope` count as compiled.

    `Trainer.compiled` has no public setter, and `compile_from_config` does not set it
    where building the optimizer has to wait.
    """
    model.compiled = True


def retrace(model: Any) -> None:
    """Makes the training step anew: a traced one keeps the constraints it saw.

    `Trainer.make_train_function(force=True)`: public by name, but in no documentation.
    """
    model.make_train_function(force=True)


def forget_traces(model: Any) -> None:
    """Makes all steps anew when they are needed: traced ones keep what they looked up.

    `Trainer.train_function` and its like, which `compile` too sets to `None`.
    """
    model.train_function = model.test_function = model.predict_function = None


def synchronise(model: Any) -> None:
    """Makes the variables hold their current values in the midst of an epoch.

    `JAXTrainer.jax_state_sync`, on JAX alone: there a running epoch has the state.
    """
    if is_jax():
        model.jax_state_sync()


def fit_of(callback: keras.callbacks.Callback) -> Any:
    """Returns an object that all callbacks of one fit share, and no other fit has.

    `Callback.params`: Keras makes the dictionary anew for every fit and gives the same
    one to all its callbacks.
    """
    return callback.params


def strategy_scope(model: Any) -> AbstractContextManager[Any]:
    """Returns the scope that variables of a distributed model must be made in.

    `TensorFlowTrainer.distribute_strategy`: other backends' trainers have none.
    """
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else nullcontext()


def num_replicas(model: Any) -> int:
    """Returns how many replicas a `tf.distribute.Strategy` trains, 1 without one.

    `TensorFlowTrainer.distribute_strategy`, see `strategy_scope`.
    """
    strategy = getattr(model, "distribute_strategy", None)
    return int(getattr(strategy, "num_replicas_in_sync", 1))


def num_workers(model: Any) -> int:
    """Returns how many processes a `tf.distribute.Strategy` trains in, 1 without one.

    `TensorFlowTrainer.distribute_strategy`, see `strategy_scope`.
    """
    strategy = getattr(model, "distribute_strategy", None)
    resolver = getattr(strategy, "cluster_resolver", None)
    cluster = None if resolver is None else resolver.cluster_spec()
    n = sum(map(cluster.num_tasks, cluster.jobs)) if cluster else 1
    return max(1, n)


def layout_of(variable: Any) -> Any | None:
    """Returns how devices share a variable, `None` where no distribution says so.

    `Variable._layout`, which JAX' variables follow; what `Distribution` says of the
    variable's path may have changed since.
    """
    return getattr(variable, "_layout", None)


def lay_out(variable: Any, layout: Any) -> None:
    """Makes devices share a variable as a layout says.

    `Variable._layout`, from which `assign` takes it; layers take one as an argument
    alone.
    """
    variable._layout = layout
    variable.assign(variable.value)


def learning_rate(optimizer: Any) -> Any:
    """Returns the learning rate, or the schedule that it follows.

    `Optimizer._learning_rate`: `learning_rate` is the value of a schedule, not it.
    """
    return optimizer._learning_rate


def optimizer_config(optimizer: Any) -> dict[str, Any]:
    """Returns the config of an optimizer, with the schedule that it follows as it is.

    `Optimizer._learning_rate`: a schedule of the user's own may have no config, with
    which `get_config` fails. It is asked of a stand-in without a schedule.
    """
    rate = learning_rate(optimizer)
    if not callable(rate) or isinstance(rate, keras.Variable):
        return dict(optimizer.get_config())
    without = stand_in(optimizer, {"_learning_rate": 0.0})
    return {**without.get_config(), "learning_rate": rate}


def stand_in(part: Any, replaced: Mapping[str, Any]) -> Any:
    """Returns an object with the attributes of another, but for some of them.

    `object.__new__`: the constructors of Keras' classes track what they are given, and
    what is asked of the object must leave the other one as it is.
    """
    made = object.__new__(type(part))
    made.__dict__.update({**part.__dict__, **replaced})
    return made


def trained_variables(optimizer: Any) -> list[Any]:
    """Returns the variables that an optimizer was built for, in its order.

    `Optimizer._trainable_variables`: `apply` without variables means these.
    """
    return list(optimizer._trainable_variables)


def keeps_second_moments(optimizer: Any) -> bool:
    """Whether an optimizer keeps a running mean of each squared gradient.

    `Adam._velocities`, and that of its kin and of RMSprop; no public method tells it.
    """
    return getattr(optimizer, "_velocities", None) is not None


def second_moment(optimizer: Any, variable: Any) -> Any | None:
    """Returns the running mean of a variable's squared gradient, a variable itself.

    `Adam._velocities`, by `Optimizer._get_variable_index`; `None` where the optimizer
    does not train the variable.
    """
    try:
        return optimizer._velocities[optimizer._get_variable_index(variable)]
    except KeyError:
        return None


def forget_variables(optimizer: Any, variables: Sequence[Any]) -> None:
    """Takes variables that `add_variable` has added out of an optimizer again.

    `Optimizer._variables`, in place: Keras adds to this very list in the next fit.
    Needed on JAX alone.
    """
    added = {id(variable) for variable in variables}
    optimizer._variables[:] = [v for v in optimizer._variables if id(v) not in added]


def begin_with(variable: Any, make: Callable[[], Any]) -> None:
    """Gives a variable its first value, made when also one that waits can take it.

    `Variable._value` and `Variable._initializer`: a variable that is made inside a
    `StatelessScope` has no value before the scope ends.
    """
    if variable._value is None:
        variable._initializer = lambda shape, dtype=None: make()
    else:
        variable.assign(make())


def order_variables(layer: Any, rank: dict[int, int]) -> None:
    """Sorts the variables of a layer itself by the rank of their ids.

    `Layer._trainable_variables` and `Layer._non_trainable_variables`, in place: a layer
    that was quantized as it was built has them in another order than one that was
    quantized later.
    """
    for variables in (layer._trainable_variables, layer._non_trainable_variables):
        list.sort(variables, key=lambda variable: rank.get(id(variable), len(rank)))


def is_quantized(layer: Any) -> bool:
    """Whether a layer has the variables of a quantized one.

    `Layer._is_quantized`: `quantization_mode` is that of the dtype policy, which layers
    without weights have too.
    """
    return bool(getattr(layer, "_is_quantized", False))


def has_plain_kernel(layer: Any) -> bool:
    """Whether a layer that is to be quantized by calibration has its kernel still.

    `Dense._kernel`, which GPTQ and AWQ take away once they are done.
    """
    return hasattr(layer, "_kernel")


def calibrate(layer: Any) -> None:
    """Makes a layer compute with the weights that GPTQ or AWQ has found.

    `Dense._kernel` and `Dense.is_gptq_calibrated`, as in `Dense.load_own_variables`:
    `quantize` prepares a layer for a calibration that lies behind this one.
    """
    if layer.quantization_mode in ("gptq", "awq"):
        if has_plain_kernel(layer):
            with unlocked(layer):
                del layer._kernel
        layer.is_gptq_calibrated = layer.quantization_mode == "gptq"
        layer.is_awq_calibrated = layer.quantization_mode == "awq"


@contextmanager
def unlocked(layer: Any) -> Iterator[None]:
    """Lets a built layer gain or lose variables.

    `Layer._tracker`, which `Layer.quantize` unlocks too.
    """
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def safe_mode_scope(safe_mode: bool) -> AbstractContextManager[Any]:
    """Returns the scope in which code in configs is refused, or run.

    `SafeModeScope`: `compile_from_config` takes no `safe_mode`.
    """
    scope: AbstractContextManager[Any] = serialization_lib.SafeModeScope(safe_mode)
    return scope


def known(entry: dict[str, Any], custom_objects: dict[str, Any]) -> Any | None:
    """Returns the class or function that an object's config names, or `None`.

    `_retrieve_class_or_fn`, by which Keras finds it: no public function looks in all
    the places.
    """
    is_function = entry["class_name"] == "function"
    name = entry["config"] if is_function else entry["class_name"]
    try:
        return serialization_lib._retrieve_class_or_fn(
            name,
            entry.get("registered_name", entry["class_name"]),
            entry.get("module"),
            obj_type="function" if is_function else "class",
            full_config=entry,
            custom_objects=custom_objects,
        )
    except (TypeError, ValueError, ImportError):
        return None


def graph_of(model: Any) -> Any | None:
    """Returns the graph of a `Sequential` or functional model, or `None`.

    `Sequential._functional`, and `Function._nodes_by_depth`, which only graphs have.
    """
    function = getattr(model, "_functional", model)
    return function if hasattr(function, "_nodes_by_depth") else None


def nodes(function: Any) -> Iterator[Any]:
    """Yields the calls of a graph in the order in which they run, inputs left out.

    `Function._nodes_by_depth`: `Function.operations` has no calls, and a layer that is
    called twice only once.
    """
    for _, at_depth in sorted(function._nodes_by_depth.items(), reverse=True):
        yield from (node for node in at_depth if not node.is_input)


def run_through_graph(model: Any, inputs: Any, layer_for: Callable[[Any], Any]) -> Any:
    """Returns what a functional model computes with other layers in its graph.

    `Function._run_through_graph`: `clone_model` also compiles, from a config that the
    user's own losses and metrics may not have.
    """
    return model._run_through_graph(inputs, operation_fn=layer_for)


def standardized(function: Any, inputs: Any) -> list[Any]:
    """Returns the inputs of a graph as it takes them itself, flat.

    `Functional._standardize_inputs`: names, dtypes and ranks are brought in order.
    """
    found: list[Any] = function._standardize_inputs(inputs)
    return found


def give_build_config(layer: Any, copy: Any) -> None:
    """Lets a copy of a layer say how it was built, without building it.

    `Layer._build_shapes_dict`, which `get_build_config` is made of.
    """
    copy._build_shapes_dict = layer._build_shapes_dict


def copy_of(operation: Any) -> Any:
    """Returns an operation that is no layer, not yet called.

    `Operation._inbound_nodes` and `Operation._outbound_nodes`: its config, which would
    do too, does not hold an array that it was made with.
    """
    copied = object.__new__(type(operation))
    copied.__dict__.update(operation.__dict__)
    copied._inbound_nodes, copied._outbound_nodes = [], []
    return copied


def calls_of(layer: Any) -> list[Any]:
    """Returns the calls of a layer in all graphs.

    `Operation._inbound_nodes`: `Layer.input` raises where there are several.
    """
    return list(layer._inbound_nodes)


def maker_of(tensor: Any) -> tuple[Any, int]:
    """Returns the operation that made a symbolic tensor, and which call of it.

    `KerasTensor._keras_history`.
    """
    operation, call, _ = tensor._keras_history
    return operation, call


def is_masked(tensor: Any) -> bool:
    """Whether a symbolic tensor carries a mask.

    `KerasTensor._keras_mask`.
    """
    return getattr(tensor, "_keras_mask", None) is not None


def direction(metric: Any) -> str | None:
    """Returns which way a metric says of itself is better, `"min"` or `"max"`.

    `Metric._direction`, which `EarlyStopping` decides by.
    """
    return {"down": "min", "up": "max"}.get(getattr(metric, "_direction", ""))


def function_of(metric: Any) -> Any | None:
    """Returns the function, or the loss, that a metric takes the mean of, or `None`.

    `MeanMetricWrapper._fn`: it is in the config by its name alone.
    """
    return getattr(metric, "_fn", None)


def loss_trackers(model: Any) -> list[Any]:
    """Returns the metrics that track the loss of each output.

    `Trainer._compile_loss`: in `Model.metrics` they look like any mean.
    """
    return list(getattr(getattr(model, "_compile_loss", None), "metrics", []))


@contextmanager
def uncompiled(model: Any) -> Iterator[None]:
    """Lets a model, and those inside it, count as not compiled for a while.

    `Trainer.compiled` has no public setter. Keras puts what a model was compiled with
    into its config, and refuses where an object of the user's own has none.
    """
    compiled = [m for m in flatten_layers(model) if getattr(m, "compiled", False)]
    try:
        for each in compiled:
            each.compiled = False
        yield
    finally:
        for each in compiled:
            each.compiled = True


def own_attributes(layer: Any) -> dict[str, Any]:
    """Returns the attributes of a layer that Keras has not made for itself.

    What a plain layer or model has after `compile`, what begins with TensorFlow's
    `_self_`, and what `fit` leaves behind: no public list of them exists. On PyTorch
    layers are not among the `vars` of a layer, which is a `torch.nn.Module` there.
    """
    if isinstance(layer, keras.Model):
        plain = keras.Model(name="plain")
        plain.compile()
    else:
        plain = keras.layers.Layer(name="plain")
    fitted = {"history", "stop_evaluating", "_eval_epoch_iterator", "_jax_state"}
    left = {*vars(plain), *fitted, "_torch_params"}
    return {
        name: value
        for name, value in {**vars(layer), **vars(layer).get("_modules", {})}.items()
        if name not in left and not name.startswith("_self_")
    }
