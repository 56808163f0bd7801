"""A DNS server whose zone the test changes while it runs."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Union

NXDOMAIN, SERVFAIL, TIMEOUT = "NXDOMAIN", "SERVFAIL", "TIMEOUT"
Answer = Union[str, list[str]]


class DnsServer:
    """zone[name] is a list of IPv4 addresses, or NXDOMAIN, SERVFAIL, TIMEOUT.

    A name that is not in the zone does not exist.
    """

    def __init__(self) -> None:
        self.zone: dict[str, Answer] = {}
        self.ttl = 1
        self.queries: list[tuple[str, int]] = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def directive(self) -> str:
        return (f"resolver 127.0.0.1:{self.port} valid=1s ipv6=off; "
                "resolver_timeout 1s;")

    def count(self, name: str) -> int:
        return sum(1 for asked, _ in list(self.queries) if asked == name)

    def close(self) -> None:
        self.sock.sendto(b"", self.sock.getsockname())
        self.thread.join(2)
        self.sock.close()

    def _serve(self) -> None:
        while True:
            try:
                packet, peer = self.sock.recvfrom(1500)
            except OSError:
                return
            if not packet:
                return
            name, end = self._name(packet, 12)
            qtype, = struct.unpack_from("!H", packet, end)
            self.queries.append((name, qtype))
            answer = self.zone.get(name, NXDOMAIN)
            if answer == TIMEOUT:
                continue
            rcode = {NXDOMAIN: 3, SERVFAIL: 2}.get(answer, 0) if isinstance(
                answer, str) else 0
            addresses = answer if isinstance(answer, list) and qtype == 1 \
                else []
            reply = packet[:2] + struct.pack(
                "!HHHHH", 0x8180 | rcode, 1, len(addresses), 0, 0)
            reply += packet[12:end + 4]
            for address in addresses:
                reply += struct.pack("!HHHIH", 0xC00C, 1, 1, self.ttl, 4)
                reply += socket.inet_aton(address)
            try:
                self.sock.sendto(reply, peer)
            except OSError:
                return

    @staticmethod
    def _name(packet: bytes, at: int) -> tuple[str, int]:
        labels = []
        while packet[at]:
            size = packet[at]
            labels.append(packet[at + 1:at + 1 + size].decode())
            at += 1 + size
        return ".".join(labels).lower(), at + 1
