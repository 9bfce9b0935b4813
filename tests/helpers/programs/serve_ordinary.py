"""Does what is asked for by lines of JSON, in a process that has made no model.

python serve_ordinary.py

`{"load": NAME, "file": FILE}` loads an ordinary model, and `out` of the answer has a
line for each weight; `{"command": WORDS}` runs the command. An answer has `status`,
`out` and `error`.
"""

import contextlib
import io
import json
import sys
import traceback

from ordinary.families import ORDINARY

import deepcompress as dc
from deepcompress.commands.cli import main


def load(name, file):
    own = ORDINARY[name].custom_objects()
    for weight in dc.load_model(file, custom_objects=own).weights:
        print(f"{weight.name}:{weight.numpy().tobytes().hex()}")
    return 0


def answer(asked):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            if "command" in asked:
                status = main(asked["command"])
            else:
                status = load(asked["load"], asked["file"])
        except Exception:
            traceback.print_exc()
            status = 1
    return {"status": status, "out": out.getvalue(), "error": error.getvalue()}


answers = sys.stdout
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
