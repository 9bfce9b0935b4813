"""`deepcompress export`: a file for a program in C, or for the runtime that one has."""

import argparse
import io
import re
from collections.abc import Iterator
from pathlib import Path

from deepcompress._files import atomic_writer
from deepcompress.commands import own_code
from deepcompress.commands.contents import contents
from deepcompress.commands.in_c import refusal, small_refusal
from deepcompress.commands.saying import say
from deepcompress.dcz.container import CODERS, read
from deepcompress.dcz.foreign.unpacking import packed_layout
from deepcompress.dcz.writing import write

RUNTIMES = (".tflite", ".onnx", ".mlpackage")
QUANTIZED = ("int8", "float16")

_A_LINE = 13  # bytes, in 80 columns
# C99 has no word for it, and the others do not agree on one.
_HEADER = """\
/* {title}
 * Made by `deepcompress export`; dcz.h and dcz_run.h read it. */
#ifndef {guard}
#define {guard}

#include <stddef.h>

#if defined(__cplusplus)
alignas(8)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Alignas(8)
#elif defined(__GNUC__)
__attribute__((aligned(8)))
#elif defined(_MSC_VER)
__declspec(align(8))
#endif
static const unsigned char {name}[] = {{
"""
_FOOTER = """\
}};

static const size_t {name}_size = sizeof {name};

#endif
"""
_KEYWORDS = frozenset(
    "auto break case char class const continue default delete do double else enum "
    "extern float for goto if inline int long new private public register restrict "
    "return short signed sizeof static struct switch template this typedef union "
    "unsigned using virtual void volatile while".split()
)


def add_options(command: argparse.ArgumentParser) -> None:
    """Adds the words of the command."""
    command.add_argument("file", metavar="FILE.dcz")
    command.add_argument(
        "output", metavar="OUT", help=f".h, {', '.join(RUNTIMES)}; the suffix decides"
    )
    array = command.add_argument_group("a C array")
    array.add_argument(
        "--c-array", action="store_true", help="write one, whatever the suffix is"
    )
    array.add_argument(
        "--name", help="the array's name (default: that of the file it is written to)"
    )
    array.add_argument(
        "--keep-coder",
        action="store_true",
        help="keep every byte; else context coding, for which small machines have no "
        "memory, becomes Huffman coding, and the architecture is left out, which is "
        "for Keras alone",
    )
    other = command.add_argument_group("another runtime")
    other.add_argument(
        "--quantize",
        choices=QUANTIZED,
        help="round the weights, which changes what comes out: int8 for .tflite and, "
        "of dense layers, .onnx; float16 for .tflite and .mlpackage",
    )
    other.add_argument(
        "--sparse",
        action="store_true",
        help="leave the zeros out of a .tflite file, which is smaller and no faster",
    )
    own_code.add_options(command)


def run(options: argparse.Namespace) -> None:
    """Runs the command.

    Raises:
        ImportError: A package is missing, with the command that installs it.
        ValueError: The file cannot be exported so, or what was made is wrong.
    """
    output = options.output
    if contents(options.file) != "dcz":
        raise ValueError(
            f"{options.file!r} is no .dcz file. `deepcompress compress` makes one."
        )
    with read(options.file) as weights:
        if packed := packed_layout(weights, options.file):
            raise ValueError(
                f"{options.file!r} holds {packed[0][1][0][0]!r}, which `deepcompress "
                "extract` gives back."
            )
    suffix = Path(output).suffix
    if options.c_array or suffix == ".h":
        if options.quantize or options.sparse:
            raise ValueError("A C array holds the weights as they are.")
        _write_array(options)
        return
    if suffix not in RUNTIMES:
        raise ValueError(
            f"The suffix of {output!r} says no format. Use .h or --c-array, or one of "
            f"{', '.join(RUNTIMES)}."
        )
    if options.name or options.keep_coder:
        raise ValueError("--name and --keep-coder are for a C array.")

    from deepcompress.commands.runtimes import export  # noqa: PLC0415  (Keras is slow)

    export(options)


def c_array(data: bytes, name: str, title: str) -> Iterator[str]:
    """Yields the lines of a header that holds bytes as an array.

    Args:
        data: The bytes.
        name: The array's name.
        title: What it is, for the comment.

    Example:

    >>> print("".join(c_array(b"DCZ", "net", "net.dcz")).partition("static ")[2])
    const unsigned char net[] = {
        0x44, 0x43, 0x5a,
    };
    <BLANKLINE>
    static const size_t net_size = sizeof net;
    <BLANKLINE>
    #endif
    <BLANKLINE>
    """
    words = {"name": name, "guard": f"{name.upper()}_H", "title": title}
    yield _HEADER.format(**words)
    for begin in range(0, len(data), _A_LINE):
        line = data[begin : begin + _A_LINE].hex(" ").replace(" ", ", 0x")
        yield f"    0x{line},\n"
    yield _FOOTER.format(**words)


def _write_array(options: argparse.Namespace) -> None:
    file, output = options.file, options.output
    name = _name(options)
    data = before = Path(file).read_bytes()
    if not options.keep_coder:
        data = _for_small_machines(data)
    with read(data) as weights:
        why_not = refusal(weights)
        small = "" if why_not else small_refusal(weights)
    title = f"{Path(file).name}, {len(data):,} bytes".replace("*/", "* /")
    with atomic_writer(output) as written:
        for lines in c_array(data, name, title):
            written.write(lines.encode())
    if data == before:
        done = "every byte as it is"
    else:
        done = f"with Huffman codes, without an architecture; {len(before):,} before"
    say("note", f"{output!r}: {len(data):,} bytes as the array {name!r}, {done}.")
    if why_not:
        say("note", f"C can read the arrays, and cannot run the model: {why_not}.")
    elif small:
        say(
            "note",
            "c/dcz_run_small.c, the runner for firmware, cannot run the model, and "
            f"c/dcz_run.c can: {small}.",
        )


def _for_small_machines(data: bytes) -> bytes:
    """Returns a file without what takes much memory, or is of no use there."""
    with read(data) as weights:
        if weights.version == CODERS["huffman"] and weights.architecture is None:
            return data
        written = io.BytesIO()
        write(written, weights, parts=weights.parts)
    return written.getvalue()


def _name(options: argparse.Namespace) -> str:
    """Returns the name of the array, as C has names."""
    if options.name is None:
        found = re.sub(r"\W", "_", Path(options.output).stem, flags=re.ASCII)
        is_name = re.match(r"[a-zA-Z]", found) and found not in _KEYWORDS
        return found if is_name else f"model_{found}"
    name: str = options.name
    if not re.fullmatch(r"[a-zA-Z_]\w*", name, re.ASCII) or name in _KEYWORDS:
        raise ValueError(f"{name!r} is no name of an array in C.")
    return name
