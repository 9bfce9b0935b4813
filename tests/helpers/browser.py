"""A page in a real browser: headless Chromium opens it, a script tries it."""

import json
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECONDS = 90

_BEFORE = Path(__file__).with_name("page.js")


class Chromium:
    """Opens pages from files, and answers what a script in them returns."""

    def __init__(self):
        names = ("chromium", "chromium-browser", "google-chrome")
        self.program = next(filter(None, map(shutil.which, names)), None)
        if self.program is None:
            pytest.skip("there is no Chromium")

    def visit(
        self, text, script, *, picture=None, size=(1200, 900), is_dark=False, scale=1
    ):
        """What `script` returns, the body of an async function.

        Args:
            text: The HTML of the page.
            script: JavaScript.
            picture: Where a screenshot goes, if there is to be one.
            size: The width and the height of the window.
            is_dark: Whether the user prefers dark pages.
            scale: Pixels of the screen for each of the window.
        """
        answers, is_over = [], threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answers.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                is_over.set()

            def do_GET(self):  # keeps the page loading for as long as the script runs
                is_over.wait(SECONDS)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        driver = (
            f'<img hidden alt="" src="{address}/hold"><script type="module">'
            f"{_BEFORE.read_text(encoding='utf-8')}"
            f"let answer;try {{ answer = await (async () => {{ {script} }})(); }}"
            "catch (error) { answer = { error: String(error) }; }"
            f'await fetch("{address}", {{ method: "POST", mode: "no-cors", '
            "body: JSON.stringify(answer ?? null) });</script>"
        )
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "index.html")
            screen = Path(picture or Path(folder, "screen.png")).resolve()
            page.write_text(text.replace("</body>", f"{driver}</body>"), "utf-8")
            command = [
                self.program,
                *"--headless --no-sandbox --disable-gpu --hide-scrollbars".split(),
                *"--no-first-run --disable-background-networking".split(),
                "--disable-dev-shm-usage",
                f"--user-data-dir={folder}/profile",
                f"--window-size={size[0]},{size[1]}",
                f"--force-device-scale-factor={scale}",
                f"--screenshot={screen}",
                f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
                page.as_uri(),
            ]
            try:
                subprocess.run(
                    command, capture_output=True, timeout=SECONDS, check=True
                )
            finally:
                server.shutdown()
                server.server_close()
        assert answers, "the page did not answer"
        return json.loads(answers[0])
