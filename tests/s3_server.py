"""An S3 server on loopback that speaks the real protocol, counts what it is asked, and can be told to fail."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import Request as Reset
from urllib.request import urlopen

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server

from egocurate.storage.paths import as_path

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    range: str
    status: int
    bytes: int


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


class S3Server:
    """Runs in threads of this process; `requests` grows, `failures` is how many of the next requests get a 503."""

    def __init__(self):
        self.requests: list[Request] = []
        self.failures = 0
        # Clients of an earlier server, at another port, would be taken again for the same bucket.
        S3FileSystem.clear_instance_cache()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._thread.join()

    def _answer(self, environ, start_response):
        seen = {}

        def start(status, headers, *rest):
            seen["status"] = int(status.split()[0])
            return start_response(status, headers, *rest)

        if self.failures:
            self.failures -= 1
            start("503 Service Unavailable", [("Content-Length", "0")])
            body = []
        else:
            body = list(self._app(environ, start))
        names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_RANGE")
        self.requests.append(Request(*(environ.get(n, "") for n in names), seen["status"], sum(map(len, body))))
        return body


@contextmanager
def serving(bucket):
    """Run a server with an empty bucket, to which the environment leads until the block ends."""
    server = S3Server()
    urlopen(Reset(f"{server.url}/moto-api/reset", method="POST")).close()  # buckets outlive the server that made them
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
            patch.setenv(name, value)
        as_path(f"s3://{bucket}").fs.mkdir(bucket)
        yield server
    server.stop()
