"""A server of files on this machine in the place of an object store, which counts what it sends."""

import re
import threading
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


class ObjectStore:
    """Serves a folder, parts of files too if it `gives_ranges`, for the length of a block."""

    def __init__(self, folder: Path, gives_ranges: bool = True) -> None:
        self.sent, self.requests, self.failing = 0, 0, 0
        """Bytes and answers of shards so far; how many of the next requests for a part fail."""
        store = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object) -> None:
                super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                file = Path(self.translate_path(self.path))
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if gives_ranges else None
                if asked and store.failing:
                    store.failing -= 1
                    self.send_error(503)
                    return
                if not file.is_file() or ".tar" not in file.suffixes:
                    super().do_GET()
                    return
                content = file.read_bytes()
                self.send_response(206 if asked else 200)
                if asked:
                    first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                    content = content[first : last + 1]
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                store.sent += len(content)  # before whoever waits for it goes on
                store.requests += 1
                with suppress(ConnectionError):  # whoever asked has seen that it is not a part
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
