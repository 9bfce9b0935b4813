"""What apps call gives what the package computes, from C and from Java."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.c_decoder import FOLDER, Program

import deepcompress as dc
from deepcompress.models import zoo

PHONE = FOLDER.parent / "examples" / "phone"
ZOO = Path(zoo.__file__).with_name("zoo")
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-pedantic"]

MAIN = """
import deepcompress.Model;
import java.io.*;
import java.nio.*;
import java.nio.file.*;

class Main {
    public static void main(String[] arguments) throws IOException {
        byte[] given = System.in.readAllBytes();
        float[] input = new float[given.length / 4];
        ByteBuffer.wrap(given).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(input);
        Model model = new Model(Files.readAllBytes(Path.of(arguments[0])));
        float[] output = model.predict(input);
        ByteBuffer made = ByteBuffer.allocate(4 * output.length);
        made.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(output);
        System.out.write(made.array());
        System.out.flush();
        model.close();
        model.close();
        try {
            model.predict(input);
        } catch (IllegalStateException error) {
            System.err.print(error.getMessage());
        }
    }
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if not PHONE.exists():
        pytest.skip("this is no checkout of the project: it has no examples")
    folder = tmp_path_factory.mktemp("phone")
    sources = ["dcz_run.c", PHONE / "model.c", PHONE / "check.c"]
    return Program(folder, "check", *sources, options=[f"-I{PHONE}", *WARNINGS])


@pytest.fixture
def digit():
    return np.random.default_rng(0).random((1, 28, 28, 1), "float32")


@pytest.mark.parametrize("net", zoo.entries())
def test_an_app_computes_what_the_package_does(program, net):
    path = ZOO / f"{net}.dcz"
    x = np.random.default_rng(0).random((5, 28, 28, 1), "float32")
    status, made = program.run(path, given=x.tobytes())
    assert status == 0
    expected = dc.CompressedModel(path).predict(x)
    found = np.frombuffer(made, "float32").reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: b"", "no .dcz file"),
        (lambda data: data[:-1], "cannot be read: corrupt"),
        (lambda data: data[:30] + b"!" + data[31:], "wrong checksum"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(program, make, message):
    assert message in refused(program, make((ZOO / "lenet5.dcz").read_bytes()))


def refused(program, data):
    path = program.folder / "file.dcz"
    path.write_bytes(data)
    ended = subprocess.run(
        [program.path, path], input=b"", capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
    return ended.stderr.decode()


def test_a_file_without_a_program_is_said(program, tmp_path):
    dc.write(tmp_path / "a.dcz", {"dense/kernel": np.eye(3, dtype="float32")})
    assert "no program" in refused(program, (tmp_path / "a.dcz").read_bytes())


def test_a_file_that_asks_for_any_memory_is_refused(program, tmp_path):
    dc.write(tmp_path / "a.dcz", {"dense/kernel": np.zeros(1 << 29, "int8")})
    assert "too large" in refused(program, (tmp_path / "a.dcz").read_bytes())


@pytest.fixture(scope="module")
def java(program):
    compiler = shutil.which("javac")
    include = Path(compiler).resolve().parents[1] / "include" if compiler else None
    if not include or not (include / "linux" / "jni_md.h").exists():
        pytest.skip("there is no JDK for Linux")
    sources = [FOLDER / "dcz.c", FOLDER / "dcz_run.c", PHONE / "model.c"]
    program.compile(
        *WARNINGS, "-O1", "-shared", "-fPIC", "-fvisibility=hidden",
        *(f"-I{path}" for path in (FOLDER, PHONE, include, include / "linux")),
        *sources, PHONE / "android" / "jni.c", "-o",
        program.folder / "libdeepcompress.so",
    )  # fmt: skip
    main = program.folder / "Main.java"
    main.write_text(MAIN)
    model = PHONE / "android" / "Model.java"
    subprocess.run([compiler, "-d", program.folder, main, model], check=True)

    def run(path, x):
        words = ["-Xcheck:jni", f"-Djava.library.path={program.folder}"]
        return subprocess.run(
            ["java", *words, "-cp", program.folder, "Main", path],
            input=x.tobytes(),
            capture_output=True,
            check=False,
        )

    return run


def test_java_computes_what_the_package_does(java, digit):
    ended = java(ZOO / "lenet5.dcz", digit)
    assert (ended.returncode, ended.stderr) == (0, b"The model is closed.")
    (expected,) = dc.CompressedModel(ZOO / "lenet5.dcz").predict(digit)
    found = np.frombuffer(ended.stdout, "<f4")
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_java_is_told_what_is_wrong(java, digit, tmp_path):
    ended = java(ZOO / "lenet5.dcz", digit[:, :-1])
    assert b"IllegalArgumentException: the model takes another" in ended.stderr
    broken = tmp_path / "broken.dcz"
    broken.write_bytes(b"\x89DCZ\1")
    ended = java(broken, digit)
    assert b"IllegalArgumentException: the file" in ended.stderr
