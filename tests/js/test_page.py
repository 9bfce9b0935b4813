"""The page in a browser: drawn digits, keys, pictures, numbers, other files."""

import base64
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import Chromium
from helpers.runnable import Net

import deepcompress as dc
from deepcompress.commands.page.writing import page
from deepcompress.runtime.program import Input, Operation, Program

PACKAGE = Path(dc.__file__).parent
LENET = (PACKAGE / "models" / "zoo" / "lenet5.dcz").read_bytes()


@pytest.fixture(scope="module")
def browser():
    return Chromium()


def png(pixels):
    """A gray picture, as PNG in base64."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype("uint8"))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def file_of(program, **arrays):
    file = io.BytesIO()
    dc.write(file, arrays, parts={"program": program.encode()})
    return file.getvalue()


def dense(n_in, n_out, **settings):
    """A model of one layer with chosen weights, and the weights."""
    kernel = np.linspace(-1, 1, n_in * n_out, dtype="float32").reshape(n_in, n_out)
    program = Program(
        (Input("", (n_in,), "float32"),),
        (Operation("dense", (0,), (0, 1), settings),),
        (1,),
    )
    arrays = {"out/kernel": kernel, "out/bias": np.zeros(n_out, "float32")}
    return file_of(program, **arrays), kernel


def test_digits_are_drawn_and_recognized(browser):
    answers = browser.visit(
        page(LENET, "lenet5.dcz"),
        """
        const answers = [best()];
        async function draw(...strokes) {
          button("Clear").click();
          await until(() => best() === "?");
          strokes.forEach(stroke);
          await until(() => best() !== "?");
          answers.push(best());
        }
        await draw(THREE);
        await draw([[0.5, 0.15], [0.5, 0.85]]);
        await draw([[0.25, 0.2], [0.75, 0.2], [0.45, 0.85]]);
        await draw(arc(0.5, 0.5, 0.22, 0.33, 0, 360));
        await until(() => $("said").textContent.startsWith("0"));
        stroke([[0.1, 0.1], [0.2, 0.1]]);
        button("Undo").click();
        await frame();
        answers.push(best());
        const isTimed = $("answer").innerText.includes("Computed in");
        return [answers, all("#answer dd").length, isTimed];
        """,
    )
    assert answers == [["?", "3", "1", "7", "0", "0"], 10, True]


def test_a_digit_of_a_picture_and_one_by_keys(browser, tmp_path):
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    small = digits.images[digits.target == 2][0] * 15.9
    large = np.repeat(np.repeat(small, 25, 0), 25, 1)
    answers = browser.visit(
        page(LENET, "lenet5.dcz"),
        f"""
        const answers = [];
        for (const data of ["{png(large)}", "{png(255 - large)}"]) {{
          await drop("two.png", "image/png", data);
          await until(() => best() !== "?");
          answers.push(best());
          button("Clear").click();
          await until(() => best() === "?");
        }}
        press("ArrowUp", 12);
        press(" ");
        press("ArrowDown", 24);
        press(" ");
        press("ArrowDown", 5);
        await until(() => best() !== "?");
        answers.push(best());
        press("Delete");
        await until(() => best() === "?");
        return answers;
        """,
    )
    assert answers == ["2", "2", "1"]


def test_a_digit_of_mnist_is_given_as_it_is(browser, tmp_path):
    images = pytest.importorskip("deepcompress.models.digits").load_digits().test[0]
    net = dc.CompressedModel(LENET)
    pixels = np.round(images[0][..., 0] * 255)
    wanted = net((pixels / 255).astype("float32").reshape(1, 28, 28, 1))[0]
    # Where a person may look at them.
    folder = Path(os.environ.get("DEEPCOMPRESS_SCREENSHOTS", tmp_path))
    for width, is_dark in ((1200, False), (1200, True), (500, False)):
        theme = "dark" if is_dark else "light"
        picture = folder / f"page-{width}-{theme}.png"
        said = browser.visit(
            page(LENET, "lenet5.dcz"),
            f"""
            await drop("digit.png", "image/png", "{png(pixels)}");
            await until(() => best() !== "?");
            await until(() => $("answer").innerText.includes("Computed"));
            const {{ dataset, scrollWidth, clientWidth }} = document.documentElement;
            return [best(), dataset.theme, scrollWidth > clientWidth];
            """,
            picture=picture,
            size=(width, 2100),
            is_dark=is_dark,
        )
        assert said == [str(wanted.argmax()), theme, False]
        assert picture.stat().st_size > 10_000


def test_the_file_is_shown(browser):
    rows, total, label = browser.visit(
        page(LENET, "lenet5.dcz"),
        """
        const cells = (row) => [...row.cells].map((cell) => cell.textContent);
        return [
          all("#inside tbody tr").map(cells),
          cells(document.querySelector("#inside tfoot tr")),
          document.querySelector(".stack").getAttribute("aria-label"),
        ];
        """,
    )
    assert [row[0] for row in rows[:4]] == ["conv1", "conv2", "ip1", "ip2"]
    n_bytes = [int(row[5].replace(",", "")) for row in rows]
    assert sum(n_bytes) == len(LENET) == int(total[5].replace(",", ""))
    assert rows[2][1] == "464 x 162"
    assert f"ip1: {n_bytes[2]} bytes" in label


def test_numbers_are_given_by_fields_and_by_rows(browser):
    data, kernel = dense(3, 2)
    single, all_rows, problem = browser.visit(
        page(data, "net.dcz", columns=["a", "b", "c"], labels=["no", "yes"]),
        """
        if (texts(".fields label").join() !== "a,b,c") throw new Error();
        function give(field, text) {
          field.value = text;
          field.dispatchEvent(new Event("input"));
        }
        all(".fields input").forEach((field, i) => give(field, [1, 2, -4][i]));
        const single = best();
        const [area] = all("textarea");
        give(area, "a,b,c\\n1,2,3\\n-1;0;0\\n");
        const rows = texts("#answer td:nth-child(2)");
        give(area, "1 2");
        return [single, rows, $("problem").textContent];
        """,
    )
    names = np.array(["no", "yes"])
    assert single == names[(np.array([1, 2, -4]) @ kernel).argmax()]
    wanted = np.array([[1, 2, 3], [-1, 0, 0]]) @ kernel
    assert all_rows == list(names[wanted.argmax(1)])
    assert "Row 1 is not 3 numbers" in problem


def test_a_picture_is_given_in_the_size_of_the_model(browser):
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((12 * 10 * 3, 4)).astype("float32")
    program = Program(
        (Input("", (12, 10, 3), "float32"),),
        (
            Operation("flatten", (0,)),
            Operation("dense", (1,), (0, 1), {"activation": "softmax"}),
        ),
        (2,),
    )
    data = file_of(program, **{"d/kernel": kernel, "d/bias": np.zeros(4, "float32")})
    pixels = rng.integers(0, 256, (12, 10))
    x = np.repeat((pixels / 127.5 - 1)[..., None], 3, 2).astype("float32")[None]
    shares = dc.CompressedModel(data)(x)[0]
    said = browser.visit(
        page(data, "net.dcz", labels=list("abcd"), pixels="-1..1"),
        f"""
        await drop("a.png", "image/png", "{png(pixels)}");
        await until(() => document.querySelector("#answer dd")?.textContent);
        return [best(), $("answer").querySelector(".best span").textContent];
        """,
    )
    assert said[0] == "abcd"[shares.argmax()]
    assert float(said[1].split("\u00a0")[0]) == pytest.approx(
        100 * shares.max(), abs=0.06
    )


def test_long_labels_and_names_of_layers_are_whole_on_a_phone(browser):
    kernel = np.linspace(-1, 1, 6, dtype="float32").reshape(3, 2)
    program = Program(
        (Input("", (3,), "float32"),), (Operation("dense", (0,), (0,)),), (1,)
    )
    data = file_of(program, **{"a" * 90 + "/kernel": kernel})
    labels = ["Iris versicolor of the northern hemisphere", "b" * 60]
    said = browser.visit(
        page(data, "net.dcz", labels=labels),
        """
        await until(() => all("#answer dt").length);
        const fits = (each) => each.scrollWidth <= each.clientWidth;
        return [
          texts("#answer dt"),
          all("#answer dt, .scroll").map(fits),
          all("#answer .bars > i").every((track) => track.clientWidth > 40),
          document.documentElement.scrollWidth <= innerWidth,
        ];
        """,
        size=(400, 900),
    )
    assert said == [labels, [True] * 3, True, True]


def test_what_is_below_0_goes_to_the_other_side(browser):
    data, kernel = dense(1, 3)
    assert kernel.tolist() == [[-1, 0, 1]]
    said = browser.visit(
        page(data, "net.dcz"),
        """
        const [field] = all(".fields input");
        function give(value) {
          field.value = value;
          field.dispatchEvent(new Event("input"));
          return all("#answer .bars > i").map((track) => {
            const box = track.getBoundingClientRect();
            const { left, right } = track.firstChild.getBoundingClientRect();
            return [(left - box.left) / box.width, (right - box.left) / box.width];
          });
        }
        return [give(1), texts("#answer dd")];
        """,
    )
    np.testing.assert_allclose(said[0], [[0, 0.5], [0.5, 0.5], [0.5, 1]], atol=0.02)
    assert said[1] == ["-1", "0", "1"]


def test_each_output_has_its_place_before_there_is_an_answer(browser):
    net = Net((784,)).add("dense", (784, 3)).add("dense", (784, 2), of=(0,))
    program = net.program((1, 2), names=("kind", "side"))
    said = browser.visit(
        page(net.file(program=program.encode()), "net.dcz"),
        """
        const shown = () => [texts("#answer h3"), texts("#answer .best b"),
          all("#answer dt").length];
        const before = shown();
        stroke(THREE);
        await until(() => best() !== "?");
        return [before, shown()];
        """,
    )
    assert said[0] == [["kind", "side"], ["?", "?"], 5]
    assert said[1][::2] == [["kind", "side"], 5]


@pytest.mark.parametrize("shape", [(784,), (28, 28, 1), (8, 20, 3)])
def test_what_is_an_image_is_shown_as_one(browser, shape):
    n = int(np.prod(shape))
    drawing = f'await drop("a.png", "image/png", "{png(np.full((9, 9), 255))}");'
    said = browser.visit(
        page(Net(shape).add("unary", function="sigmoid").file(), "net.dcz"),
        f"""
        {drawing if n != 784 else "stroke(THREE);"}
        await until(() => document.querySelector("#answer canvas"));
        const [shown] = all("#answer canvas");
        const {{ width, height }} = shown.getBoundingClientRect();
        const {{ data }} = shown.getContext("2d").getImageData(0, 0, 8, 8);
        return [shown.width, shown.height, width / height, data[0]];
        """,
    )
    height, width = (28, 28) if n == 784 else shape[:2]
    assert said[:2] == [width, height]
    assert said[2] == pytest.approx(width / height, abs=0.05)
    assert said[3] in ((127, 128) if n == 784 else (186, 187))  # sigmoid of 0, of 1


def test_several_inputs_are_named(browser):
    net = Net((2,), (40,)).add("concatenate", of=(0, 1))
    program = Program(
        (Input("weather", (2,), "float32"), Input("soil", (40,), "float32")),
        tuple(net.operations),
        (2,),
    )
    said = browser.visit(
        page(net.file(program=program.encode()), "net.dcz"),
        'return texts("#given label");',
    )
    assert "42 numbers (2 of weather, then 40 of soil)" in said[0]


def test_labels_that_fit_no_output_are_told(browser):
    said = browser.visit(
        page(LENET, "lenet5.dcz", labels=["a", "b"]),
        'return [$("try").hidden, $("problem").textContent];',
    )
    assert said == [True, "There are 2 labels, and no output has as many elements."]


def test_other_files_are_opened_or_refused_in_words(browser):
    data, _ = dense(5, 3)
    file = io.BytesIO()
    dc.write(file, {"kernel": np.eye(4, dtype="float32")})
    encoded = [
        base64.b64encode(each).decode() for each in (data, file.getvalue(), LENET[:99])
    ]
    said = browser.visit(
        page(LENET, "lenet5.dcz"),
        f"""
        const said = [];
        for (const [i, data] of {encoded}.entries()) {{
          await drop(`${{i}}.dcz`, "", data);
          await wait(200);
          const [name] = $("lead").textContent.split(" ");
          said.push([$("try").hidden, name, $("problem").textContent]);
        }}
        await drop("plain.txt", "text/plain", "{encoded[0]}".slice(4));
        await until(() => $("problem").textContent.startsWith("plain"));
        return [...said, $("problem").textContent];
        """,
    )
    assert said[0] == [False, "0.dcz", ""]
    assert said[1][:2] == [True, "1.dcz"]
    assert "cannot be run here" in said[1][2]
    assert said[2][:2] == [True, "1.dcz"]
    assert "cannot be read" in said[2][2]
    assert "neither a .dcz file nor a picture" in said[3]


def test_colors_are_switched(browser):
    said = browser.visit(
        page(LENET, "lenet5.dcz"),
        """
        const theme = () => document.documentElement.dataset.theme;
        const said = [theme()];
        stroke(THREE);
        await until(() => best() !== "?");
        const canvases = all(".pad canvas, figure canvas");
        const pictures = () => canvases.map((each) => each.toDataURL());
        const before = pictures();
        $("theme").click();
        const { colorScheme } = getComputedStyle(document.body);
        const areOther = pictures().every((picture, i) => picture !== before[i]);
        return [...said, theme(), $("theme").textContent, colorScheme, areOther];
        """,
    )
    assert said == ["light", "dark", "Light", "dark", True]
