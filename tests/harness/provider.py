"""A provider whose every byte the test decides.

A threaded server on raw sockets.  What it does with a request is a *script*:
a callable that gets the Exchange and speaks on the socket.  Scripts are made
by the functions of answers.py, or written in the test:

    def script(x):
        x.head(200, [("Content-Type", "text/event-stream")], chunked=True)
        x.chunk(b"data: {}\n\n")
        x.reset()

    provider(script)                     # every request
    provider(first, second, rest)        # one after the other, the last stays

All requests are recorded in provider.requests.
"""

from __future__ import annotations

import json as jsonlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Callable, Iterable, Optional
from urllib.parse import parse_qs, urlsplit

from .util import wait_for

Headers = Iterable[tuple[str, str]]


class PeerClosed(Exception):
    """The gateway has closed the connection while the script spoke."""


class Finished(Exception):
    """The script has ended the connection."""


@dataclass
class Request:
    """What the gateway sent."""
    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    raw_head: bytes
    connection: int
    number: int
    sni: Optional[str]
    local: tuple[str, int]
    started: float
    #: the TLS session was one from before
    resumed: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)
    #: when the gateway was seen to close before the script had ended
    closed_at: Optional[float] = None
    finished: bool = False

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def all(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def header(self, name: str) -> Optional[str]:
        values = self.all(name)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)

    @property
    def closed_early(self) -> bool:
        return self.closed_at is not None


class Connection:
    def __init__(self, provider: "Provider", sock: socket.socket, number: int):
        self.provider, self.sock, self.number = provider, sock, number
        self.local = sock.getsockname()
        self.sni: Optional[str] = None
        self.data = bytearray()
        self.requests = 0

    def handshake(self) -> None:
        if self.provider.tls is None:
            return
        context = self.provider.tls
        self.sock.settimeout(10)
        self.sock = context.wrap_socket(self.sock, server_side=True,
                                        do_handshake_on_connect=False)
        self.sock.sni_of = self
        self.sock.do_handshake()
        self.sock.settimeout(None)

    def _fill(self) -> bool:
        data = self.sock.recv(262144)
        self.data += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        while len(self.data) < size:
            if not self._fill():
                raise PeerClosed
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    def _line(self) -> bytes:
        while (end := self.data.find(b"\r\n")) < 0:
            if not self._fill():
                raise PeerClosed
        return self._take(end + 2)[:-2]

    @staticmethod
    def _headers(lines: list[bytes]) -> list[tuple[str, str]]:
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        return [(name, value.strip(" \t")) for name, _, value in pairs]

    def read_request(self) -> Optional[Request]:
        """The next request, whole; None at a clean end."""
        while (end := self.data.find(b"\r\n\r\n")) < 0:
            if not self._fill():
                if self.data:
                    raise PeerClosed
                return None
        raw = self._take(end + 4)
        first, *lines = raw[:-4].split(b"\r\n")
        method, target, version = first.decode("latin-1").split(" ", 2)
        self.requests += 1
        request = Request(
            method, target, version, self._headers(lines), b"", raw,
            self.number, self.requests, self.sni, self.local,
            time.monotonic())
        if isinstance(self.sock, ssl.SSLSocket):
            request.resumed = bool(self.sock.session_reused)
        if request.header("expect"):
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            request.body = self._chunked(request)
        elif length := request.header("content-length"):
            request.body = self._take(int(length))
        return request

    def _chunked(self, request: Request) -> bytes:
        body = b""
        while size := int(self._line().split(b";")[0], 16):
            body += self._take(size)
            assert self._line() == b""
        trailers = []
        while line := self._line():
            trailers.append(line)
        request.trailers = self._headers(trailers)
        return body

    def end(self, reset: bool = False) -> None:
        try:
            if reset:
                self.set_linger()
            elif isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(1)
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.kill()

    def set_linger(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))

    def kill(self) -> None:
        """Ends the connection, and wakes the thread that waits on it."""
        try:
            self.sock.close()
        except OSError:
            pass


class Exchange:
    """One request, and the socket to answer it on."""

    def __init__(self, connection: Connection, request: Request):
        self.connection, self.request = connection, request
        self.provider = connection.provider
        self.keep = True

    # -- bytes ---------------------------------------------------------------

    def send(self, data: bytes) -> None:
        try:
            self.connection.sock.sendall(data)
        except (OSError, ssl.SSLError, ValueError):
            raise PeerClosed from None

    def send_split(self, data: bytes, size: int = 1,
                   pause: float = 0.0) -> None:
        """Pieces of size bytes, each in a packet of its own."""
        self.nodelay()
        for at in range(0, len(data), size):
            self.send(data[at:at + size])
            if pause:
                self.pause(pause)

    def nodelay(self) -> None:
        self.connection.sock.setsockopt(socket.IPPROTO_TCP,
                                        socket.TCP_NODELAY, 1)

    def raw(self, data: bytes) -> None:
        """Bytes beneath TLS."""
        try:
            os.write(self.connection.sock.fileno(), data)
        except OSError:
            raise PeerClosed from None

    def head(self, status: int, headers: Headers = (), reason: str = "",
             chunked: bool = False, length: Optional[int] = None) -> None:
        if not reason:
            try:
                reason = HTTPStatus(status).phrase
            except ValueError:
                reason = "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        self.send("\r\n".join(lines + ["", ""]).encode("latin-1"))

    def chunk(self, data: bytes) -> None:
        if data:
            self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def last_chunk(self, trailers: Headers = ()) -> None:
        lines = "".join(f"{k}: {v}\r\n" for k, v in trailers)
        self.send(b"0\r\n" + lines.encode() + b"\r\n")

    # -- time ----------------------------------------------------------------

    def wait_closed(self, timeout: float) -> bool:
        """True when the gateway closes (or the provider is stopped)."""
        poll = select.poll()
        try:
            poll.register(self.connection.sock.fileno(), select.POLLRDHUP)
        except ValueError:
            return True
        deadline = time.monotonic() + timeout
        while not self.provider.stopping:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if poll.poll(min(left, 0.25) * 1000):
                self.note_closed()
                return True
        return True

    def pause(self, seconds: float) -> None:
        if self.wait_closed(seconds):
            raise PeerClosed

    def stall(self, timeout: float = 30.0) -> None:
        """Says nothing until the gateway gives up."""
        if self.wait_closed(timeout):
            raise PeerClosed

    def wait(self, event: threading.Event, timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while not event.is_set():
            assert time.monotonic() < deadline, "the test never went on"
            self.pause(0.005)

    def note_closed(self) -> None:
        if self.request.closed_at is None and not self.provider.stopping:
            self.request.closed_at = time.monotonic()
            with self.provider.changed:
                self.provider.changed.notify_all()

    # -- ends ----------------------------------------------------------------

    def close(self) -> None:
        """FIN (after a close_notify where there is TLS)."""
        self.connection.end()
        raise Finished

    def reset(self) -> None:
        """RST, after what was sent has left."""
        self.connection.end(reset=True)
        raise Finished

    def abandon(self) -> None:
        """FIN without the close_notify of TLS."""
        self.connection.kill()
        raise Finished


Script = Callable[[Exchange], None]


class Provider:
    def __init__(self, script: Script, *, host: str = "127.0.0.1",
                 port: int = 0, tls: Optional[ssl.SSLContext] = None,
                 dialect: str = "openai", key: str = "",
                 early: Optional[Callable[[socket.socket], bool]] = None,
                 keep_alive: bool = True):
        self.scripts: list[Script] = [script]
        self.dialect, self.key, self.tls = dialect, key, tls
        self.early = early
        self.keep_alive = keep_alive
        self.requests: list[Request] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self.stopping = False
        self.changed = threading.Condition()
        self._open: dict[int, Connection] = {}
        if tls is not None:
            tls.sni_callback = self._sni
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(4096)
        self.host, self.port = self.listener.getsockname()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    # -- for the test --------------------------------------------------------

    def __call__(self, *scripts: Script) -> "Provider":
        """From now on: these scripts in turn, the last one for ever."""
        with self.changed:
            self.scripts = list(scripts)
        return self

    @property
    def key_variable(self) -> str:
        return f"PROVIDER_KEY_{self.port}"

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    def endpoint(self, path: str = "/v1", host: str = "") -> str:
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    def upstream(self, name: str, *lines: str) -> str:
        """An upstream{} block; lines are more directives in it."""
        address = (f"llm_endpoint {self.endpoint()};" if self.tls
                   else f"server {self.host}:{self.port};")
        if self.tls and not any("llm_ssl_name " in line for line in lines):
            # nginx verifies names only, not addresses
            lines = (*lines, "llm_ssl_name localhost;")
        more = "\n        ".join(lines)
        return f"""
    upstream {name} {{
        {address}
        llm_dialect {self.dialect};
        llm_api_key env:{self.key_variable};
        {more}
    }}
"""

    @property
    def last(self) -> Request:
        assert self.requests, "the provider was not asked"
        return self.requests[-1]

    def wait_requests(self, count: int, timeout: float = 5.0) -> list[Request]:
        wait_for(lambda: len(self.requests) >= count, timeout,
                 f"{count} requests at the provider")
        return list(self.requests)

    def wait_closed_early(self, count: int = 1, timeout: float = 5.0) -> None:
        wait_for(lambda: sum(r.closed_early for r in list(self.requests))
                 >= count, timeout, f"{count} requests given up")

    def drop_connections(self, reset: bool = False) -> None:
        """Closes every open connection, idle ones too."""
        with self.changed:
            connections = list(self._open.values())
        for connection in connections:
            try:
                if reset:
                    connection.set_linger()
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def open_connections(self) -> int:
        with self.changed:
            return len(self._open)

    def stop(self) -> None:
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop_connections()
        self.thread.join(2)

    # -- threads -------------------------------------------------------------

    @staticmethod
    def _sni(sock: Any, name: Optional[str], _context: Any) -> None:
        sock.sni_of.sni = name

    def _accept(self) -> None:
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                connection = Connection(self, sock, self.connections)
                self._open[connection.number] = connection
            if self.early and self.early(sock):
                continue
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _script(self) -> Script:
        if len(self.scripts) > 1:
            return self.scripts.pop(0)
        return self.scripts[0]

    def _serve(self, connection: Connection) -> None:
        try:
            connection.handshake()
            while not self.stopping and self._exchange(connection):
                pass
        except (OSError, ssl.SSLError, PeerClosed):
            pass
        except BaseException as error:     # shown by the test's end
            self.failures.append(error)
        finally:
            connection.kill()
            with self.changed:
                self._open.pop(connection.number, None)

    def _exchange(self, connection: Connection) -> bool:
        request = connection.read_request()
        if request is None:
            return False
        with self.changed:
            script = self._script()
            self.requests.append(request)
            self.changed.notify_all()
        exchange = Exchange(connection, request)
        try:
            script(exchange)
        except Finished:
            return False
        except PeerClosed:
            exchange.note_closed()
            return False
        finally:
            request.finished = True
        return exchange.keep and self.keep_alive
