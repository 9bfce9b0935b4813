"""What a file for another runtime computes there; also the program that asks.

A process of its own: a runtime that does not bear a file may end the process it is in.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Answer = Callable[[dict[str, np.ndarray[Any, Any]]], list[np.ndarray[Any, Any]]]


def litert(path: str) -> Answer:
    """Opens a `.tflite` file."""
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(path)
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner()

    def place(name: str) -> tuple[int, str]:
        number = name.removeprefix("output_")
        return (int(number) if number.isdecimal() else 0), name

    def answer(
        given: dict[str, np.ndarray[Any, Any]],
    ) -> list[np.ndarray[Any, Any]]:
        outputs = run(**given)
        return [outputs[name] for name in sorted(outputs, key=place)]

    return answer


def onnx(path: str) -> Answer:
    """Opens an `.onnx` file."""
    session = import_module("onnxruntime").InferenceSession(path)
    return lambda given: list(session.run(None, given))


RUNTIMES = {".tflite": litert, ".onnx": onnx}


def main(path: str, inputs: str, outputs: str) -> None:
    """Writes what a file makes of inputs, example by example."""
    answer = RUNTIMES[Path(path).suffix](path)
    with np.load(inputs) as opened:
        given = dict(opened)
    n_examples = len(next(iter(given.values())))
    answers = [
        answer({name: array[i : i + 1] for name, array in given.items()})
        for i in range(n_examples)
    ]
    np.savez(outputs, *(np.concatenate(each) for each in zip(*answers, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
