import dataclasses
import hashlib
import json

import keras
import numpy as np
import pytest
from helpers.nets import dense_net
from helpers.searches import point, state

import deepcompress as dc
from deepcompress.search.checkpoint import Checkpoint, Kept

SETTINGS = {"seed": 0, "coder": None}
# As a folder has it since there are any.
STATE = {
    "n_good": 1000, "n_bad": 250, "used": 0.5,
    "curve": [
        {"size": 100, "ratio": 2.0, "value": 0.9, "is_accurate": True, "n_weights": 10,
         "bits": {"wide": 5}, "coder": "context", "epochs": 1.0, "seconds": 2.0,
         "metrics": {"accuracy": 0.9}},
    ],
    "best": 0, "bits": {"wide": 5}, "n_levels": 2, "seconds": 12.5, "overhead": 1.5,
    "rate_factor": 0.5,
}  # fmt: skip
# What has come since; a folder without it is read as well.
LATER = {"used_bad": 1.0, "epochs_bad": 0, "is_to_rescue": False, "epochs_good": 0}
KNOWN = state(
    n_bad=250, used=0.5, curve=[point()], bits={"wide": 5}, n_levels=2, seconds=12.5,
    overhead=1.5, rate_factor=0.5,
)  # fmt: skip


def net_of(value):
    net = dense_net()
    net.set_weights([np.full_like(weight, value) for weight in net.get_weights()])
    return net


def dumps(model):
    return dc.HuffmanSerializer().dumps(model)


def read(data):
    return dc.HuffmanSerializer().loads(data)


def test_a_folder_is_a_json_file_and_three_models(tmp_path):
    model, net = net_of(1), net_of(2)
    Checkpoint(tmp_path / "new" / "folder", model, SETTINGS).save(
        Kept(KNOWN, net, b"the best")
    )
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "state.json").read_text()) == {
        "settings": {"model": hashlib.sha256(dumps(model)).hexdigest(), **SETTINGS},
        "files": {"net": "net-2.dcz", "data": "best-2.dcz"},
        "state": {**STATE, **LATER},
    }
    assert (folder / "dense.dcz").read_bytes() == dumps(model)
    assert (folder / "net-2.dcz").read_bytes() == dumps(net)
    assert (folder / "best-2.dcz").read_bytes() == b"the best"
    assert len(list(folder.iterdir())) == 4


def test_a_folder_that_was_written_before_loads(tmp_path):
    model, net = net_of(1), net_of(2)
    content = {
        "settings": {"model": hashlib.sha256(dumps(model)).hexdigest(), **SETTINGS},
        "files": {"net": "net-7.dcz", "data": "best-3.dcz"},
        "state": STATE,
    }
    (tmp_path / "state.json").write_text(json.dumps(content))
    (tmp_path / "net-7.dcz").write_bytes(dumps(net))
    (tmp_path / "best-3.dcz").write_bytes(b"the best")
    known, loaded, data, _ = Checkpoint(tmp_path, model, SETTINGS).load(read)
    assert known == KNOWN
    assert data == b"the best"
    for ours, theirs in zip(loaded.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_new_state_replaces_the_one_before(tmp_path):
    model = dense_net()
    folder = Checkpoint(tmp_path, model, SETTINGS)
    assert folder.load(read) is None
    folder.save(Kept(KNOWN, model, b"2"))
    later = dataclasses.replace(KNOWN, n_levels=3)
    folder.save(Kept(later, model, b"3"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "state.json", "dense.dcz", "net-3.dcz", "best-3.dcz",
    }  # fmt: skip
    known, _, data, _ = folder.load(read)
    assert (known, data) == (later, b"3")


@pytest.mark.parametrize(
    ("seed", "settings", "differing"),
    [
        (2, SETTINGS, "model: "),
        (1, {**SETTINGS, "seed": 1}, "seed: 0 there, 1 now"),
        (1, {**SETTINGS, "coder": "context"}, "coder: None there, 'context' now"),
    ],
)
def test_a_folder_of_another_search_is_refused(tmp_path, seed, settings, differing):
    model = net_of(1)
    Checkpoint(tmp_path, model, SETTINGS).save(Kept(KNOWN, model, b""))
    Checkpoint(tmp_path, model, SETTINGS)
    with pytest.raises(ValueError, match=differing):
        Checkpoint(tmp_path, net_of(seed), settings)


def test_without_a_folder_nothing_is_kept():
    folder = Checkpoint(None, dense_net(), SETTINGS)
    folder.save(Kept(KNOWN, dense_net(), b""))
    assert folder.load(read) is None


def test_names_that_keras_made_up_are_another_process_matter(tmp_path):
    def named(name, value=1.0):
        net = keras.Sequential(
            [keras.Input((4,), name="x"), keras.layers.Dense(3, name=name)], name="net"
        )
        net.set_weights([np.full_like(weight, value) for weight in net.get_weights()])
        return net

    known = dataclasses.replace(
        KNOWN, bits={"dense_7": 5}, curve=[point(bits={"dense_7": 4})]
    )
    model = named("dense_7")
    Checkpoint(tmp_path, model, SETTINGS).save(Kept(known, model, b""))
    state, *_ = Checkpoint(tmp_path, named("dense"), SETTINGS).load(read)
    assert state.bits == {"dense": 5}
    assert state.curve[0].bits == {"dense": 4}
    with pytest.raises(ValueError, match="model: "):
        Checkpoint(tmp_path, named("dense", 2.0), SETTINGS)


def test_a_net_that_is_trained_on_next_is_kept_until_it_is(tmp_path):
    model = net_of(1)
    folder = Checkpoint(tmp_path, model, SETTINGS)
    waiting = dataclasses.replace(KNOWN, is_to_rescue=True)
    folder.save(Kept(waiting, net_of(2), b"the best", net_of(3)))
    found = Checkpoint(tmp_path, model, SETTINGS).load(read)
    assert found.state.is_to_rescue
    for net, value in ((found.net, 2), (found.failed, 3)):
        assert all((weight == value).all() for weight in net.get_weights())
    folder.save(Kept(dataclasses.replace(KNOWN, n_levels=3), net_of(4), b"the best"))
    assert not list(tmp_path.glob("failed-*"))
    assert Checkpoint(tmp_path, model, SETTINGS).load(read).failed is None
