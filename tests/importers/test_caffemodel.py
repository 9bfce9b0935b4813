from contextlib import suppress

import keras
import numpy as np
import pytest
from helpers.caffe_nets import check_outputs, image_net, weights_in_caffe
from helpers.caffe_twin import blob, field, layer, old_layer, varint
from hypothesis import given
from hypothesis import strategies as st

import deepcompress as dc
from deepcompress import models
from deepcompress.importers import load_caffemodel

KINDS = {
    "conv1": "Convolution",
    "conv2": "Convolution",
    "fc1": "InnerProduct",
    "fc2": "InnerProduct",
}


def in_new_form(weights, **form):
    return b"".join(
        layer(name, KINDS[name], [blob(each, **form) for each in arrays])
        + layer(f"relu_{name}", "ReLU", [])
        for name, arrays in weights.items()
    )


def in_old_form(weights, **form):
    return b"".join(
        old_layer(name, KINDS[name], [blob(each, **form) for each in arrays])
        + old_layer(f"relu_{name}", "ReLU", [])
        for name, arrays in weights.items()
    )


@pytest.fixture
def weights(rng):
    return weights_in_caffe(rng)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.caffemodel"


@pytest.mark.parametrize(
    "write",
    [
        in_new_form,
        in_old_form,
        lambda weights: in_new_form(weights, is_legacy=True),
        lambda weights: in_old_form(weights, is_legacy=True),
        lambda weights: in_new_form(weights, dtype="<f8"),
        lambda weights: in_new_form(weights, is_packed=False),
        lambda weights: in_new_form(weights, is_packed=False, dtype="<f8"),
    ],
)
def test_the_net_computes_what_caffe_computes(write, weights, path, rng):
    path.write_bytes(field(1, "a net") + write(weights) + field(3, "data"))
    model = image_net()
    assert load_caffemodel(model, path) is model
    for name, (kernel, *bias) in weights.items():
        loaded = model.get_layer(name).get_weights()
        if kernel.ndim == 4:
            assert np.array_equal(loaded[0], kernel.transpose(2, 3, 1, 0))
        else:
            assert np.array_equal(np.sort(loaded[0], None), np.sort(kernel, None))
        assert all(map(np.array_equal, loaded[1:], bias))
    check_outputs(model, weights, rng)


def net_parameter():
    """The class of `NetParameter`, made by protobuf itself."""
    protobuf = pytest.importorskip("google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    assert protobuf
    proto = descriptor_pb2.FileDescriptorProto(
        name="part_of_caffe.proto", package="caffe", syntax="proto2"
    )
    types = descriptor_pb2.FieldDescriptorProto

    def add(name, *fields):
        message = proto.message_type.add(name=name)
        for field_name, number, kind, is_packed in fields:
            added = message.field.add(name=field_name, number=number)
            is_message = isinstance(kind, str)
            added.type = types.TYPE_MESSAGE if is_message else kind
            if is_message:
                added.type_name = f".caffe.{kind}"
            added.label = types.LABEL_OPTIONAL
            if is_packed is not None:
                added.label = types.LABEL_REPEATED
            if is_packed:
                added.options.packed = True

    add("BlobShape", ("dim", 1, types.TYPE_INT64, True))
    add(
        "BlobProto",
        ("shape", 7, "BlobShape", None),
        ("data", 5, types.TYPE_FLOAT, True),
        ("diff", 6, types.TYPE_FLOAT, True),
    )
    add(
        "InnerProductParameter",
        ("num_output", 1, types.TYPE_UINT32, None),
        ("transpose", 6, types.TYPE_BOOL, None),
    )
    add(
        "LayerParameter",
        ("name", 1, types.TYPE_STRING, None),
        ("type", 2, types.TYPE_STRING, None),
        ("bottom", 3, types.TYPE_STRING, False),
        ("loss_weight", 5, types.TYPE_FLOAT, False),
        ("blobs", 7, "BlobProto", False),
        ("inner_product_param", 117, "InnerProductParameter", None),
    )
    add(
        "NetParameter",
        ("name", 1, types.TYPE_STRING, None),
        ("layer", 100, "LayerParameter", False),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    descriptor = pool.FindMessageTypeByName("caffe.NetParameter")
    return message_factory.GetMessageClass(descriptor)


def test_what_protobuf_writes_is_read(weights, path, rng):
    net = net_parameter()(name="a net")
    for name, arrays in weights.items():
        added = net.layer.add(
            name=name, type=KINDS[name], bottom=["data"], loss_weight=[0, 1.5]
        )
        turn = KINDS[name] == "InnerProduct" and name == "fc2"
        if turn:
            added.inner_product_param.num_output = 3
            added.inner_product_param.transpose = True
        for array in [each.T for each in arrays] if turn else arrays:
            each = added.blobs.add(data=array.reshape(-1), diff=[0] * array.size)
            each.shape.dim.extend(array.shape)
        net.layer.add(name=f"relu_{name}", type="ReLU")
    path.write_bytes(net.SerializeToString())
    check_outputs(load_caffemodel(image_net(), path), weights, rng)


def test_layers_with_other_names_are_matched_in_order(weights, path, rng):
    content = b"".join(
        layer(f"part{index}", KINDS[name], [blob(each) for each in arrays])
        for index, (name, arrays) in enumerate(weights.items())
    )
    path.write_bytes(content)
    check_outputs(load_caffemodel(image_net(), path), weights, rng)


def test_layers_are_matched_by_name_in_any_order(weights, path, rng):
    backwards = dict(reversed(weights.items()))
    more = layer("head", "InnerProduct", [blob(np.ones((2, 2)))])
    path.write_bytes(more + in_new_form(backwards))
    check_outputs(load_caffemodel(image_net(), path), weights, rng)


def test_a_slash_in_a_name_is_an_underscore(path, rng):
    model = models.squeezenet("1.1", n_classes=2)
    layers = [each for each in model.layers if each.weights]
    content, expected = [], {}
    for each in reversed(layers):
        kernel, bias = each.get_weights()
        kernel = rng.standard_normal(kernel.shape[::-1]).astype("float32")
        kernel = kernel.transpose(0, 1, 3, 2)
        expected[each.name] = kernel.transpose(2, 3, 1, 0)
        name = each.name.replace("_", "/")
        content.append(layer(name, "Convolution", [blob(kernel), blob(bias)]))
    path.write_bytes(b"".join(content))
    load_caffemodel(model, path)
    for each in layers:
        assert np.array_equal(each.kernel.numpy(), expected[each.name])


def check_refused(path, content, message, error=ValueError):
    path.write_bytes(content)
    model = image_net()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        load_caffemodel(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_another_shape_is_refused_by_name(weights, path):
    weights["fc1"][0] = np.zeros((5, 89))
    message = (
        r"net.caffemodel': the layer 'fc1' has \(5, 89\) and \(5,\), but 'fc1' of the "
        r"model takes \(5, 90\) and \(5,\) in Caffe's layout"
    )
    check_refused(path, in_new_form(weights), message)


@pytest.mark.parametrize("shape", [(2, 4, 3, 2), (1, 4, 2, 3, 2, 1), (48,), ()])
def test_a_kernel_of_the_same_size_is_refused(shape, weights, path):
    weights["conv1"][0] = np.zeros(shape)
    check_refused(path, in_new_form(weights), "'conv1' has .* takes")


def test_a_missing_bias_is_refused(weights, path):
    del weights["conv2"][1]
    check_refused(path, in_new_form(weights), r"'conv2' has \(6, 2, 2, 2\), but")


def test_a_bias_too_many_is_refused(weights, path):
    weights["fc2"].append(np.zeros(3))
    check_refused(path, in_new_form(weights), r"'fc2' has \(3, 5\) and \(3,\), but")


def test_another_number_of_layers_is_refused(weights, path):
    del weights["conv2"]
    message = r"has 3 layers with weights \('conv1', 'fc1', 'fc2'\), the model has 4 "
    check_refused(path, in_new_form(weights), message)


def test_a_kind_that_cannot_be_loaded_is_refused(weights, path):
    norm = layer("bn1", "BatchNorm", [blob(np.zeros(4))])
    message = "the layer 'bn1' is BatchNorm, whose weights cannot be loaded"
    check_refused(path, in_new_form(weights) + norm, message)
    old = field(2, field(4, "odd") + field(5, 99) + field(6, blob(np.zeros(4))))
    check_refused(path, in_old_form(weights) + old, "'odd' is a layer of type 99")


def test_the_form_of_2013_is_refused(path):
    oldest = field(2, field(1, field(1, "conv1") + field(2, "conv")))
    check_refused(path, oldest, "upgrade_net_proto_binary", dc.CorruptFileError)


def test_a_file_without_weights_is_refused(path):
    check_refused(path, layer("data", "Data", []), "has 0 layers with weights")
    check_refused(path, b"", "has 0 layers with weights")


@pytest.mark.parametrize(
    "content",
    [b"\x89HDF\r\n\x1a\n and so on", b"name: 'net'\nlayer {\n}\n", b"\xff" * 99],
)
def test_another_file_is_refused(content, path):
    message = "net.caffemodel' is damaged, or no .caffemodel"
    check_refused(path, content, message, dc.CorruptFileError)


@pytest.mark.parametrize(
    "dimensions",
    [(1 << 62, 1 << 62), (-1, -48), (0, 48), (48, 2), ()],
)
def test_a_shape_that_is_not_that_of_the_values_is_refused(dimensions, path):
    shape = field(7, field(1, b"".join(map(varint, dimensions))))
    bad = shape + field(5, np.zeros(48, "<f4").tobytes())
    message = r"layer 'conv1': A blob of shape .* has 48 values"
    check_refused(
        path, layer("conv1", "Convolution", [bad]), message, dc.CorruptFileError
    )


def test_a_file_is_refused_wherever_it_is_cut(weights, path):
    content = in_new_form(weights)
    for size in range(1, len(content), 97):
        check_refused(path, content[:size], "net.caffemodel'")


MODEL = image_net()


@given(st.data())
def test_a_changed_byte_is_never_a_crash(tmp_path_factory, data):
    arrays = weights_in_caffe(np.random.default_rng(0))
    arrays["fc1"][0] = arrays["fc1"][0][:, :4]
    content = bytearray(in_new_form(arrays, is_legacy=data.draw(st.booleans())))
    # Most of the bytes that are not numbers are in the first layers.
    at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 60))
    content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("caffe") / "net.caffemodel"
    path.write_bytes(content)
    with suppress(ValueError):
        load_caffemodel(MODEL, path)


def test_a_missing_file_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        load_caffemodel(MODEL, path)


def test_a_model_that_caffe_does_not_have_is_refused(path):
    path.write_bytes(b"")
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    with pytest.raises(ValueError, match="BatchNormalization"):
        load_caffemodel(model, path)
