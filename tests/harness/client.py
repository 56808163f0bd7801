"""A raw HTTP/1.1 client: it can say anything, and sees how an answer ends."""

from __future__ import annotations

import json as jsonlib
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Optional

from . import sse
from .provider import Headers
from .util import wait_taken


@dataclass
class Response:
    """An answer as far as it has come.

    end is "" until it ends, then "complete"; or how it was cut: "closed"
    (FIN), "reset" (RST, RST_STREAM), "timeout", "garbled" (bad framing).
    """
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    end: str = ""
    version: str = ""
    interim: list[int] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def header(self, name: str) -> Optional[str]:
        values = self.all(name)
        return values[0] if values else None

    @property
    def complete(self) -> bool:
        return self.end == "complete"

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)

    @property
    def events(self) -> list[sse.Event]:
        return sse.parse(self.body)


def encode_request(method: str, path: str, headers: Headers = (),
                   body: bytes | None = None, chunked: int = 0,
                   host: str = "localhost") -> bytes:
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at:at + chunked] for at in range(0, len(body), chunked)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
        body += b"0\r\n\r\n"
    elif body is not None and "content-length" not in names:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines + ["", ""]).encode("latin-1")
    return head + (body or b"")


class Client:
    """One connection."""

    def __init__(self, port: int, host: str = "127.0.0.1",
                 tls: ssl.SSLContext | None = None, rcvbuf: int = 0,
                 timeout: float = 15.0, server_name: str = "localhost"):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=server_name)
        self.data = bytearray()
        self.response = Response()
        self._left: Optional[int] = None        # of the body or chunk
        self._framing = ""

    # -- speaking ------------------------------------------------------------

    def send(self, data: bytes) -> "Client":
        self.sock.sendall(data)
        return self

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: Headers = (), *, json: Any = None,
                chunked: int = 0) -> "Client":
        headers = list(headers)
        if json is not None:
            body = jsonlib.dumps(json).encode()
        names = {name.lower() for name, _ in headers}
        if body is not None and "content-type" not in names:
            headers.append(("Content-Type", "application/json"))
        self.send(encode_request(method, path, headers, body, chunked))
        self.expect()
        return self

    def expect(self) -> None:
        """A new answer is to come."""
        self.response, self._left, self._framing = Response(), None, ""

    def taken(self, timeout: float = 10.0) -> "Client":
        """Returns when the gateway has read the request."""
        wait_taken(self.sock, timeout)
        return self

    # -- listening -----------------------------------------------------------

    def _fill(self, size: int = 65536) -> bool:
        try:
            data = self.sock.recv(size)
        except socket.timeout:
            self.response.end = "timeout"
            return False
        except ConnectionResetError:
            self.response.end = "reset"
            return False
        except ssl.SSLError:
            self.response.end = "closed"
            return False
        if not data:
            eof = self._framing == "eof"
            self.response.end = "complete" if eof else "closed"
            return False
        self.data += data
        return True

    def read_head(self) -> Response:
        """Status and headers; interim answers are noted."""
        while True:
            while (end := self.data.find(b"\r\n\r\n")) < 0:
                if not self._fill():
                    return self.response
            head = bytes(self.data[:end])
            del self.data[:end + 4]
            first, *lines = head.decode("latin-1").split("\r\n")
            version, code, *_ = first.split(" ", 2)
            assert version.startswith("HTTP/1."), f"not an answer: {first!r}"
            if int(code) >= 200 or int(code) == 101:
                break
            self.response.interim.append(int(code))
        response = self.response
        response.version, response.status = version, int(code)
        pairs = (line.partition(":") for line in lines)
        response.headers = [(k, v.strip(" \t")) for k, _, v in pairs]
        coding = (response.header("transfer-encoding") or "").lower()
        lengths = response.all("content-length")
        assert len(lengths) <= 1, "two lengths"
        assert not (coding and lengths), "chunked, and a length"
        if response.status in (204, 304):
            response.end = "complete"
        elif coding == "chunked":
            self._framing = "chunked"
        elif lengths:
            self._framing, self._left = "length", int(lengths[0])
            if self._left == 0:
                response.end = "complete"
        else:
            self._framing = "eof"
        return response

    def _decode(self) -> bool:
        """Moves what has come into the body; False: more bytes are needed."""
        response = self.response
        if self._framing == "eof":
            response.body += bytes(self.data)
            self.data.clear()
            return False
        if self._framing == "length" or self._left:
            assert self._left is not None
            taken = bytes(self.data[:self._left])
            del self.data[:self._left]
            response.body += taken
            self._left -= len(taken)
            if self._framing == "length" and self._left == 0:
                response.end = "complete"
            return bool(taken)
        # a chunk's size
        if self.data.startswith(b"\r\n") and self._left == 0:
            del self.data[:2]
        end = self.data.find(b"\r\n")
        if end < 0 or (end == 0):
            return False
        try:
            size = int(bytes(self.data[:end]).split(b";")[0], 16)
        except ValueError:
            response.end = "garbled"
            return False
        if size == 0:
            if len(self.data) < end + 4:
                return False
            del self.data[:end + 4]
            response.end = "complete"
            return False
        del self.data[:end + 2]
        self._left = size
        return True

    def pump(self, size: int = 65536) -> bool:
        """At most one read of the body; False when it has ended."""
        if not self.response.status and not self.response.end:
            self.read_head()
        before = len(self.response.body)
        while not self.response.end and self._decode():
            pass
        if self.response.end:
            return False
        if len(self.response.body) > before:
            return True
        alive = self._fill(size)
        while not self.response.end and self._decode():
            pass
        if not alive and self._framing == "eof" and self.data:
            self._decode()
        return not self.response.end

    def read(self) -> Response:
        """The whole answer."""
        while self.pump():
            pass
        return self.response

    def read_until(self, needle: bytes) -> Response:
        """As much of the body as it takes to see the needle."""
        while needle not in self.response.body:
            more = self.pump()
            assert more or needle in self.response.body, \
                f"{needle!r} never came: {self.response}"
        return self.response

    def wait_end(self, timeout: float = 5.0) -> bool:
        """True when the server closes an idle connection."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    # -- ends ----------------------------------------------------------------

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def shut(self) -> None:
        """FIN, and go on listening."""
        self.sock.shutdown(socket.SHUT_WR)


def slow_read(client: Client, rate: int, seconds: float) -> Iterator[int]:
    """Reads about rate bytes a second; yields the total after each read."""
    deadline = time.monotonic() + seconds
    total = 0
    step = max(1, rate // 20)
    while time.monotonic() < deadline and client.pump(step):
        total += step
        yield total
        time.sleep(step / rate)
