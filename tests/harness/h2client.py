"""An HTTP/2 client, many streams on one connection."""

from __future__ import annotations

import json as jsonlib
import socket
import ssl
import time
from typing import Any, Callable

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .client import Response
from .provider import Headers


class H2Client:
    """Windows are opened as data is read; with window=0 they never are."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None,
                 host: str = "127.0.0.1", timeout: float = 15.0,
                 window: int = 1 << 20):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.scheme = "http"
        if tls:
            self.scheme = "https"
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
            assert self.sock.selected_alpn_protocol() == "h2"
        self.timeout, self.window = timeout, window
        self.streams: dict[int, Response] = {}
        self.closed = False
        config = h2.config.H2Configuration(client_side=True,
                                           header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(
            client=True, initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE:
                    window or 65535})
        self.h2.initiate_connection()
        if window:
            self.h2.increment_flow_control_window(1 << 24)
        self._flush()

    def _flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: Headers = (), *, json: Any = None) -> int:
        if json is not None:
            body = jsonlib.dumps(json).encode()
        headers = [(k.lower(), v) for k, v in headers]
        if body is not None and "content-type" not in dict(headers):
            headers.append(("content-type", "application/json"))
        stream = self.h2.get_next_available_stream_id()
        self.streams[stream] = Response(version="HTTP/2")
        self.h2.send_headers(stream, [
            (":method", method), (":scheme", self.scheme),
            (":authority", "localhost"), (":path", path), *headers],
            end_stream=not body)
        self._flush()
        while body:
            size = min(self.h2.local_flow_control_window(stream),
                       self.h2.max_outbound_frame_size, len(body))
            if size == 0:
                self._pump()
                continue
            self.h2.send_data(stream, body[:size],
                              end_stream=size == len(body))
            body = body[size:]
            self._flush()
        return stream

    def _pump(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            self._end_all("timeout")
            return False
        except OSError:
            data = b""
        if not data:
            self._end_all("closed")
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self._event(event)
        try:
            self._flush()
        except OSError:
            pass
        return True

    def _event(self, event: Any) -> None:
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, h2.events.ConnectionTerminated):
            self.closed = True
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            headers = list(event.headers)
            stream.status = int(dict(headers)[":status"])
            stream.headers = [h for h in headers if not h[0].startswith(":")]
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(int(dict(event.headers)[":status"]))
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if self.window:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.end = "complete"
        elif isinstance(event, h2.events.StreamReset):
            stream.end = "reset"

    def _end_all(self, how: str) -> None:
        for stream in self.streams.values():
            stream.end = stream.end or how

    def wait(self, stream: int, done: Callable[[Response], Any]) -> Response:
        response = self.streams[stream]
        deadline = time.monotonic() + self.timeout
        while not done(response) and not response.end:
            assert time.monotonic() < deadline, f"too slow: {response}"
            self._pump()
        return response

    def read(self, stream: int) -> Response:
        return self.wait(stream, lambda r: r.end)

    def read_until(self, stream: int, needle: bytes) -> Response:
        response = self.wait(stream, lambda r: needle in r.body)
        assert needle in response.body, f"{needle!r} never came: {response}"
        return response

    def cancel(self, stream: int) -> None:
        self.h2.reset_stream(stream, error_code=8)
        self.streams[stream].end = "cancelled"
        self._flush()

    def close(self) -> None:
        self.sock.close()
