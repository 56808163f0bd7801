"""A certificate authority for the run, and servers' contexts from it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trustme


class Authority:
    def __init__(self, directory: Path):
        self.directory = directory
        self.ca = trustme.CA()
        self.pem = directory / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.pem))
        self._count = 0

    def cert(self, *names: str, expired: bool = False,
             future: bool = False) -> trustme.LeafCert:
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        dates = {}
        if expired:
            dates = {"not_before": now - 30 * day, "not_after": now - day}
        elif future:
            dates = {"not_before": now + day, "not_after": now + 30 * day}
        return self.ca.issue_cert(*(names or ("localhost", "127.0.0.1")),
                                  **dates)

    def files(self, *names: str) -> tuple[Path, Path]:
        """A certificate chain and its key on disk."""
        cert = self.cert(*names)
        self._count += 1
        chain = self.directory / f"cert{self._count}.pem"
        key = self.directory / f"key{self._count}.pem"
        chain.write_bytes(b"".join(p.bytes() for p in cert.cert_chain_pems))
        cert.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        return chain, key

    def server_context(self, *names: str, client_auth: bool = False,
                       **dates: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.cert(*names, **dates).configure_cert(context)
        if client_auth:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def client_context(self, alpn: list[str] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pem))
        if alpn:
            context.set_alpn_protocols(alpn)
        return context
