"""An http server on loopback over a folder, with or without ranges, that counts and can be told to fail or wait."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class HttpServer:
    """`requests` grows by (file name, range); `failures`: what the next meet (500, half, close or stall)."""

    def __init__(self, folder, ranges=True):
        self.requests: list[tuple[str, str]] = []
        self.failures: list[str] = []
        self.delay_sec, self.stall_sec = 0.0, 30.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                name, asked = Path(self.path).name, self.headers.get("Range", "")
                server.requests.append((name, asked))
                if name.endswith(".tar"):
                    time.sleep(server.delay_sec)
                    if server.failures and not self.fail(server.failures.pop(0), asked):
                        return
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    self.answer(404, b"")
                    return
                data = path.read_bytes()
                if ranges and asked:
                    first, last = (int(place) for place in asked.removeprefix("bytes=").split("-"))
                    if first >= len(data):
                        self.answer(416, b"")
                        return
                    part = data[first : last + 1]
                    where = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
                    self.answer(206, part, {"Content-Range": where})
                else:
                    self.answer(200, data)

            def fail(self, how, asked):
                if how == "500":
                    self.answer(500, b"")
                elif how == "half":
                    first, last = (int(place) for place in asked.removeprefix("bytes=").split("-"))
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{last}/*")
                    self.send_header("Content-Length", str(last - first + 1))
                    self.end_headers()
                    self.wfile.write(bytes(1000))
                elif how == "stall":
                    time.sleep(server.stall_sec)
                self.close_connection = True

            def answer(self, status, data, headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def tars(self):
        """Return the names of the tars asked for, in order."""
        return [name for name, _ in self.requests if name.endswith(".tar")]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
