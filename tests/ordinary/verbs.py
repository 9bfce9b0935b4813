"""What people do with a model, each with what they may expect of it afterwards.

A verb returns nothing where it works, raises what the library raises where it refuses,
and `AssertionError` where the result isn't what was asked for.
"""

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from helpers.running import command

import deepcompress as dc
from deepcompress.network.variables import choose, named_variables
from ordinary.cases import REGISTRY, Case, case_of, given

# What a search of seconds cannot but lose on nets that have hardly been trained.
_BUDGET = {"max_accuracy_drop": 0.5, "time_budget": 4, "verbose": 0}


def prune_in_fit(name: str, case: Case) -> None:
    """Half of the weights of each kernel are zero after a training."""
    case.fit(dc.PruningCallback(dc.ConstantSparsity(0.5)))
    _check_sparsity(case.model)


def share_in_fit(name: str, case: Case) -> None:
    """Each kernel has four values after a training."""
    with _deaf():  # to kernels with too few weights to share
        case.fit(dc.WeightSharingQuantizer(bits=2))
    _check_values(case.model, 4)


def prune(name: str, case: Case) -> None:
    """Half of the weights of each kernel are zero."""
    dc.prune(case.model, 0.5)
    _check_sparsity(case.model)


def quantize(name: str, case: Case) -> None:
    """Each kernel has eight values."""
    with _deaf():
        dc.WeightSharingQuantizer(bits=3).quantize(case.model)
    _check_values(case.model, 8)


def with_inputs(name: str, case: Case) -> None:
    """With inputs in view it computes the same until something is pruned or shared."""
    expected = case.computed(case.model)

    def data() -> Any:  # some can be read but once
        return case.arguments(case.validation)["x"]

    with _deaf():  # to kernels of which it is not known what they are multiplied by
        dc.prune(case.model, 0.0, data=data())
        _check_close(case.computed(case.model), expected)
        dc.prune(case.model, 0.5, data=data())
        _check_sparsity(case.model)
        dc.WeightSharingQuantizer(bits=3).quantize(case.model, data=data())
    _check_values(case.model, 8)


def shrink(name: str, case: Case) -> None:
    """The smaller model computes the same, and the model is as it was."""
    for named in named_variables(case.model):
        if not named.is_compressible:
            continue
        value = named.numpy().copy()
        value[..., ::2] = 0
        named.variable.assign(value)
    expected, before = case.computed(case.model), _bits(case.model)
    for fold in (False, True):
        with _deaf():  # to the layers that are left alone
            small = dc.shrink(case.model, fold=fold)
        _check_bits(case.model, before)
        _check_close(case.computed(small), expected)


def sensitivity(name: str, case: Case) -> None:
    """Each kernel is measured, and the model is as it was."""
    before = _bits(case.model)
    with _deaf():
        found = dc.sensitivity(
            case.model, **case.arguments(case.validation), sparsities=[0.5], bits=[2]
        )
    _check_bits(case.model, before)
    layers = {named.layer for named, _ in choose(case.model, None, None)}
    assert {point.layer for point in found.points} == layers
    assert all(np.isfinite(list(p.metrics.values())).all() for p in found.points)
    _check_measured(found.baseline, case.evaluate(case.model))


def compress(name: str, case: Case) -> None:
    """The file holds the model of the result, which is as good as it is said to be."""
    before = _bits(case.model)
    with _deaf():  # to a budget that so short a search does not meet
        found = dc.compress(
            case.model,
            given(case.train),
            given(case.validation),
            **{**_BUDGET, **case.monitor},
        )
    _check_bits(case.model, before)
    assert len(found.data) == found.best.size
    own = REGISTRY[name].custom_objects()
    options: dict[str, Any] = {}
    if REGISTRY[name].refusal("save"):  # the file may lack what can't be stored
        options = {"compile": False, "safe_mode": False}
        is_whole = dc.read(found.data).architecture is not None
        if not is_whole or any("does not load by itself" in n for n in found.notes):
            options["model"] = case.model
    loaded = dc.HuffmanSerializer().loads(found.data, custom_objects=own, **options)
    _check_bits(loaded, _bits(found.model))
    measured = case.evaluate(found.model)
    value = measured[found.budget.monitor]
    assert np.isclose(value, found.best.value, rtol=1e-3, atol=1e-4), (
        f"{value} was measured, {found.best.value} is reported"
    )


def save(name: str, case: Case) -> None:
    """The model comes back, with and without its architecture."""
    expected, before = case.computed(case.model), _bits(case.model)
    data = dc.HuffmanSerializer().dumps(case.model)
    own = REGISTRY[name].custom_objects()
    loaded = dc.HuffmanSerializer().loads(data, custom_objects=own)
    _check_bits(loaded, before)
    # PyTorch sums in an order that depends on where arrays lie.
    rtol = 1e-6 if keras.backend.backend() == "torch" else 0
    _check_close(case.computed(loaded), expected, rtol)
    data = dc.HuffmanSerializer(include_architecture=False).dumps(case.model)
    values = case.model.get_weights()
    case.model.set_weights([np.zeros_like(value) for value in values])
    dc.HuffmanSerializer().loads(data, model=case.model)
    _check_bits(case.model, before)


def load(name: str, case: Case) -> None:
    """The model comes back in a process that has only its file and its classes."""
    with tempfile.TemporaryDirectory() as folder:
        dc.HuffmanSerializer().save(case.model, f"{folder}/model.dcz")
        _check_loaded_elsewhere(name, case.model, f"{folder}/model.dcz")


def run_command(name: str, case: Case) -> None:
    """The command makes a file of what Keras has saved, and that comes back."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            case.model.save(f"{folder}/model.keras")
        except (NotImplementedError, RecursionError):  # Keras saves its weights alone
            _check_weights_go_through(case, folder)
            return
        own = [_place(each) for each in REGISTRY[name].own]
        objects = [part for each in own for part in ("--custom-objects", each)]
        files = (f"{folder}/model.keras", f"{folder}/model.dcz")
        done = _elsewhere(command=["compress", "--quiet", *files, *objects])
        if done["status"]:
            lines = done["error"].splitlines()
            assert done["status"] == 1, done["error"]
            assert lines[-1].startswith("deepcompress: error: "), done["error"]
            raise ValueError(lines[-1])
        assert done["out"] == ""
        # Not always the weights of the model: Keras merges those of LoRA as it saves.
        known = REGISTRY[name].custom_objects()
        try:
            saved = keras.models.load_model(
                f"{folder}/model.keras", known, compile=False, safe_mode=False
            )
        except TypeError:  # Keras does not find what the command finds
            saved = case.model
        # Keras may load the weights of a quantized layer in another order.
        _check_loaded_elsewhere(name, saved, f"{folder}/model.dcz", sorted)
        saved.run_eagerly = case.model.run_eagerly
        _check_close(case.computed(saved), case.computed(case.model))


VERBS: dict[str, Callable[[str, Case], None]] = {
    "prune in fit": prune_in_fit,
    "share in fit": share_in_fit,
    "prune": prune,
    "quantize": quantize,
    "with inputs": with_inputs,
    "shrink": shrink,
    "sensitivity": sensitivity,
    "compress": compress,
    "save": save,
    "load elsewhere": load,
    "command": run_command,
}


def attempt(name: str, verb: str) -> str | None:
    """Does to a model what a verb says.

    Args:
        name: That of a registered model.
        verb: One of `VERBS`.

    Returns:
        `None` where it works; the sentence, where it is refused as is to be expected.

    Raises:
        AssertionError: It is refused with other words, or where it should work.
    """
    entry, case = REGISTRY[name], case_of(name)
    words = entry.refusal(verb)
    before = _bits(case.model)
    try:
        VERBS[verb](name, case)
    except (ValueError, RuntimeError, TypeError) as error:
        sentence = str(error)
        if words is None or words not in sentence or "\n" in sentence:
            raise AssertionError(f"{verb} of {name}: {sentence}") from error
        _check_bits(case.model, before)
        return sentence
    assert words is None, f"{verb} of {name} was to be refused: {words}"
    return None


def _check_sparsity(model: keras.Model) -> None:
    chosen = [named.numpy() for named, _ in choose(model, None, None)]
    assert chosen
    for value in chosen:
        n_zeros = value.size - np.count_nonzero(value)
        assert n_zeros >= value.size // 2, f"{n_zeros} of {value.size} are zero"
        assert np.isfinite(value.astype("float32")).all()


def _check_values(model: keras.Model, most: int) -> None:
    chosen = [named.numpy() for named, _ in choose(model, None, None)]
    assert chosen
    for value in chosen:
        n_values = len(np.unique(value))
        assert n_values <= most or value.size <= most, f"{n_values} values"


def _check_measured(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for each, value in expected.items():
        assert np.isclose(found[each], value, rtol=1e-3, atol=1e-4), each


def _check_close(
    found: list[np.ndarray], expected: list[np.ndarray], rtol: float = 1e-3
) -> None:
    assert len(found) == len(expected)
    for first, second in zip(found, expected, strict=True):
        np.testing.assert_allclose(first, second, rtol=rtol, atol=rtol)


def _check_bits(model: keras.Model, before: list[bytes]) -> None:
    assert _bits(model) == before


def _bits(model: keras.Model) -> list[bytes]:
    return [weight.numpy().tobytes() for weight in model.weights]


def _check_weights_go_through(case: Case, folder: str) -> None:
    before, out = _bits(case.model), f"{folder}/model.dcz"
    case.model.save_weights(f"{folder}/model.weights.h5")
    words = ["compress", "--quiet", f"{folder}/model.weights.h5", out]
    done = _elsewhere(command=words)
    assert done["status"] == 0, done["error"]
    values = case.model.get_weights()
    case.model.set_weights([np.zeros_like(value) for value in values])
    try:
        dc.HuffmanSerializer().load(out, model=case.model)
    except ValueError:
        case.model.set_weights(values)
        raise
    _check_bits(case.model, before)


def _check_loaded_elsewhere(
    name: str,
    model: keras.Model,
    path: str,
    order: Callable[[list[str]], list[str]] = list,
) -> None:
    done = _elsewhere(load=name, file=path)
    last = (done["error"].splitlines() or [""])[-1]
    if done["status"] and last.startswith("ValueError: "):
        raise ValueError(last.removeprefix("ValueError: "))
    assert done["status"] == 0, done["error"][-2000:]
    weights = model.weights
    expected = [f"{each.name}:{each.numpy().tobytes().hex()}" for each in weights]
    found = done["out"].splitlines()
    # Keras numbers weights that have no name as they are made.
    found, expected = (
        [re.sub(r"_\d+:", ":", line) for line in lines] for lines in (found, expected)
    )
    assert order(found) == order(expected)


def _place(part: Any) -> str:
    """Where the command finds a class or a function, or what a function has made."""
    module = sys.modules[part.__module__]
    name = next(name for name, each in vars(module).items() if each is part)
    return f"{part.__module__}:{name}"


def _elsewhere(**asked: Any) -> dict[str, Any]:
    """Has something done in a process that has made no model, one for all the tests."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, f"the process has ended with {server.wait()}"
    return dict(json.loads(line))


@cache
def _server() -> "subprocess.Popen[str]":
    tests = str(Path(__file__).parents[1])
    paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
    server = subprocess.Popen(
        command("serve_ordinary"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    atexit.register(server.kill)
    return server


class _deaf(warnings.catch_warnings):
    """Lets no warning pass for an error."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
