"""Writes docs/rules.md: for each rule of the format, the files that break it.

python tests/helpers/rules_page.py
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.broken_files import FILES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "rules.md"
HEAD = """# The rules of the format and their tests

[What a reader must enforce](format.md#what-a-reader-must-enforce) says what each rule
asks for. Here stands what breaks it in the tests: a file with all checksums right that
keeps to every other rule until it comes to this one. The package refuses it by the
rule's name. The files are made in `tests/helpers/broken_files.py`,
`tests/dcz/test_rules.py` reads them and asks for one of each rule,
`tests/test_pages.py` holds the pages to the same list, and
`python tests/helpers/rules_page.py` writes this one.

| Rule | Broken by |
|---|---|
"""


def page():
    """The page as it should be."""
    rows = (f"| `{rule}` | {'; '.join(files)} |\n" for rule, files in FILES.items())
    return HEAD + "".join(rows)


def listed():
    """The rules that docs/format.md lists, in its order."""
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    section = text.partition("## What a reader must enforce")[2].partition("\n## ")[0]
    lines = re.findall(r"^(`.*`)\n: ", section, re.MULTILINE)
    return [name for line in lines for name in re.findall(r"`([a-z0-9-]+)`", line)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
