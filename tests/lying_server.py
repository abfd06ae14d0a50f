"""An http server on loopback that answers as it is told, also with what no server should send."""

import gzip
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

Send = Callable[[bytes], None]


@dataclass(frozen=True)
class Request:
    """What was asked: the name of the file, the range as (first, last), the header's lines in small letters."""

    method: str
    path: str
    span: tuple[int, int] | None
    head: str


class LyingServer:
    """Answers each request by `lie(request, send)`, then closes; `sent` counts bytes, `requests` are all that came."""

    def __init__(self, lie: Callable[[Request, Send], None]):
        self.lie, self.sent, self.requests = lie, 0, []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self._socket.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        def send(data):
            connection.sendall(data)
            self.sent += len(data)

        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.requests.append(_parsed(head.decode("latin-1")))
            self.lie(self.requests[-1], send)


def _parsed(head: str) -> Request:
    method, path, _ = head.partition("\r\n")[0].split(" ")
    lines = head.lower().split("\r\n")
    asked = next((line for line in lines if line.startswith("range: bytes=")), None)
    span = tuple(map(int, asked.removeprefix("range: bytes=").split("-"))) if asked else None
    return Request(method, path, span, "\n".join(lines))


def answer(status: int, body: bytes = b"", reason: str = "Said", **headers: object) -> bytes:
    """Return an answer as bytes; content_length=None leaves that header out."""
    headers = {"content_length": len(body), "connection": "close"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines, "", ""]).encode("latin-1") + body


def honest(data: bytes) -> Callable[[Request, Send], None]:
    """Return what a good server with ranges does for any file."""

    def lie(request, send):
        body = data if request.span is None else data[request.span[0] : request.span[1] + 1]
        headers = {}
        if request.span:
            headers["content_range"] = f"bytes {request.span[0]}-{request.span[0] + len(body) - 1}/{len(data)}"
        whole = answer(206 if request.span else 200, body, **headers)
        send(whole[: len(whole) - len(body)] if request.method == "HEAD" else whole)

    return lie


def part_headers(request: Request) -> dict[str, object]:
    """Return the headers that a true answer to a request has, for bodies that are lies."""
    if request.span is None:
        return {}
    return {"content_range": f"bytes {request.span[0]}-{request.span[1]}/*"}


def status_of(request: Request) -> int:
    return 206 if request.span else 200


def endless(request, send):
    send(answer(status_of(request), content_length=None, **part_headers(request)))
    while True:
        send(bytes(65536))


def endless_chunks(request, send):
    send(answer(status_of(request), content_length=None, transfer_encoding="chunked", **part_headers(request)))
    while True:
        send(b"10000\r\n" + bytes(65536) + b"\r\n")


def long_and_says_so(request, send):
    send(answer(status_of(request), content_length=10**15, **part_headers(request)))
    while True:
        send(bytes(65536))


def endless_headers(request, send):
    send(b"HTTP/1.1 200 OK\r\n")
    number = 0
    while True:
        send(f"X-{number}: {'a' * 1000}\r\n".encode())
        number += 1


def long_header(request, send):
    send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        send(b"a" * 65536)


def dripping_body(request, send):
    send(answer(status_of(request), content_length=None, **part_headers(request)))
    while True:
        send(b" ")
        time.sleep(0.05)


def dripping_head(request, send):
    for letter in "HTTP/1.1 200 OK\r\nX: " + "a" * 10_000:
        send(letter.encode())
        time.sleep(0.05)


def bomb(request, send):
    packed = gzip.compress(bytes(50_000_000))
    send(answer(status_of(request), packed, content_encoding="gzip", **part_headers(request)))


def redirect(where: str) -> Callable[[Request, Send], None]:
    return lambda request, send: send(answer(302, location=where.format(path=request.path)))


def says(status: int, reason: str = "Said", **headers: object) -> Callable[[Request, Send], None]:
    return lambda request, send: send(answer(status, b"some page", reason, **headers))


def raw(data: bytes) -> Callable[[Request, Send], None]:
    return lambda request, send: send(data)


LIES: dict[str, Callable[[Request, Send], None]] = {
    "endless body": endless,
    "endless chunks": endless_chunks,
    "long, and says so": long_and_says_so,
    "endless headers": endless_headers,
    "a header without end": long_header,
    "a drip": dripping_body,
    "a drip of headers": dripping_head,
    "a gzip bomb": bomb,
    "packed by br": says(200, content_encoding="br"),
    "elsewhere": redirect("http://localhost:1{path}"),
    "elsewhere by name": redirect("//169.254.169.254{path}"),
    "to a file": redirect("file:///etc/passwd"),
    "to no URL": redirect("http://[:::"),
    "round and round": redirect("{path}"),
    "401": says(401),
    "403": says(403, "\x1b[31mRed" + "!" * 500),
    "416": says(416),
    "429": says(429),
    "500": says(500),
    "599": says(599),
    "no content": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "no http": raw(b"220 ftp.example.org FTP server ready\r\n"),
    "nothing": raw(b""),
    "noise": raw(bytes(range(256)) * 50),
    "a negative length": says(200, content_length=-5),
    "a length that is none": says(200, content_length="many"),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "chunks of no size": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
    "fewer than stated": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\nabc"),
    "another range": says(206, content_range="bytes 7-15/100"),
    "a range of another length": says(206, content_range="bytes 0-3/100"),
    "no range": says(206, content_range="lots"),
    "many ranges": says(206, content_type="multipart/byteranges; boundary=x"),
}
