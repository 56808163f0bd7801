"""Callers' keys: files of llm_keys, tokens of an issuer, and its key set."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Optional

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (ec, ed25519, padding,
                                                       rsa, utils)


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def key_line(key: str, *words: str) -> str:
    """A line of the file of llm_keys."""
    return " ".join([f"sha256:{sha256(key)}", *words]) + ";\n"


class KeyFile:
    """The file, and the directive that names it."""

    def __init__(self, path: Path, *lines: str):
        self.path = path
        self.write(*lines)

    def write(self, *lines: str) -> None:
        self.path.write_text("".join(lines))

    @property
    def directive(self) -> str:
        return f"llm_keys {self.path};\n"


def b64(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data, separators=(",", ":"))
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class SigningKey:
    """One key of an issuer, made when it is first used."""
    alg: str = "ES256"
    kid: Optional[str] = "k1"
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            if self.alg.startswith(("RS", "PS")):
                self.private = rsa.generate_private_key(65537, 2048)
            elif self.alg == "ES256":
                self.private = ec.generate_private_key(ec.SECP256R1())
            elif self.alg == "EdDSA":
                self.private = ed25519.Ed25519PrivateKey.generate()

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        more = {"kid": self.kid} if self.kid is not None else {}
        if self.alg.startswith(("RS", "PS")):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": number(numbers.n),
                    "e": number(numbers.e), "use": "sig", **more}
        if self.alg == "ES256":
            numbers = public.public_numbers()
            return {"kty": "EC", "crv": "P-256",
                    "x": b64(numbers.x.to_bytes(32, "big")),
                    "y": b64(numbers.y.to_bytes(32, "big")), **more}
        return {"kty": "OKP", "crv": "Ed25519",
                "x": b64(public.public_bytes_raw()), **more}

    def sign(self, data: bytes) -> bytes:
        if self.alg == "EdDSA":
            return self.private.sign(data)
        if self.alg == "ES256":
            der = self.private.sign(data, ec.ECDSA(hashes.SHA256()))
            r, s = utils.decode_dss_signature(der)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(),
                  "512": hashes.SHA512()}[self.alg[2:]]
        pad: Any = padding.PKCS1v15()
        if self.alg.startswith("PS"):
            pad = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return self.private.sign(data, pad, digest)

    def token(self, claims: dict[str, Any] | None = None,
              header: dict[str, Any] | None = None, **more: Any) -> str:
        """A token that is good for an hour, unless more says otherwise."""
        first = {"alg": self.alg, "typ": "JWT"}
        if self.kid is not None:
            first["kid"] = self.kid
        first.update(header or {})
        now = int(time.time())
        body = {"iss": "https://idp.test", "aud": "llm", "sub": "alice",
                "iat": now, "exp": now + 3600, **(claims or {}), **more}
        body = {k: v for k, v in body.items() if v is not None}
        text = f"{b64(first)}.{b64(body)}"
        return f"{text}.{b64(self.sign(text.encode()))}"


def hs256(secret: str, claims: dict[str, Any]) -> str:
    now = int(time.time())
    body = {"iss": "https://idp.test", "sub": "alice", "exp": now + 3600,
            **claims}
    text = f"{b64({'alg': 'HS256'})}.{b64(body)}"
    mac = hmac.digest(secret.encode(), text.encode(), "sha256")
    return f"{text}.{b64(mac)}"


def key_set(*keys: SigningKey) -> dict[str, Any]:
    return {"keys": [key.jwk for key in keys]}


@dataclass
class Issuer:
    """An address that serves a key set, and may fail."""
    keys: list[SigningKey] = field(default_factory=list)
    tls: Any = None
    host: str = "127.0.0.1"
    answer: Optional[Callable[[BaseHTTPRequestHandler], None]] = None
    requests: int = 0

    def __post_init__(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.requests += 1
                issuer.last = dict(self.headers.items())
                issuer.path = self.path
                if issuer.answer is not None:
                    issuer.answer(self)
                    return
                body = json.dumps(key_set(*issuer.keys)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.last: dict[str, str] = {}
        self.path = ""
        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = (socket.AF_INET6 if ":" in self.host
                              else socket.AF_INET)

        self.server = Server((self.host, 0), Handler)
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket,
                                                      server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.02},
                                       daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}/keys?a=b"

    def directive(self, *words: str, name: str = "idp") -> str:
        return (f"llm_jwt {name} jwks={self.url} issuer=https://idp.test "
                + " ".join(words) + ";\n")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return answer


def body(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
    return answer
