"""Redis servers for a test, and a server that breaks Redis's protocol.

    def test_x(redis, gateway):
        server = redis(password="pw")
        gw = gateway(http=server.directive("timeout=100ms"), ...)
        with server.frozen(): ...

`redis` makes real standalone servers, `sentinel` a master with a replica and
three Sentinels, `cluster` three masters, `faulty` a server whose every byte
the test decides.  All are gone when the test is over.

LLMOPS_REDIS is the command that runs the server ("redis-server"): another
version, or Valkey, also one in another root, for example
"ROOT/lib64/ld-linux-x86-64.so.2 --library-path ROOT/lib/x86_64-linux-gnu
ROOT/usr/bin/valkey-server".
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shlex
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence, Union

import pytest

from .clock import Clock
from .tls import Authority
from .util import Reserved, wait_for

COMMAND = shlex.split(os.environ.get("LLMOPS_REDIS", "redis-server"))

Word = Union[str, bytes, int]


def patient(words: Sequence[str]) -> list[str]:
    """The words of llm_redis, with a timeout that a busy machine keeps to,
    for tests that do not say one."""
    said = " ".join(words)
    return [*words] if "timeout=" in said else [*words, "timeout=5s"]


class ReplyError(Exception):
    """An error reply, where none was expected."""


# -- the protocol ------------------------------------------------------------

def encode(*words: Word) -> bytes:
    """A command."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(
        b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Resp:
    """One side of a connection that speaks RESP2."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.file = sock.makefile("rb")

    def read(self) -> Any:
        """The next value; an error reply is a ReplyError, not raised."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("closed")
            return data[:-2].decode(errors="surrogateescape")
        if kind == b"*":
            if int(rest) < 0:
                return None
            return [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not RESP: {line!r}")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self.sock.close()

    def reset(self) -> None:
        """Ends with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.close()


# -- a real server -----------------------------------------------------------

@functools.cache
def available() -> str:
    """Why there is no server to test with, or nothing."""
    try:
        done = subprocess.run([*COMMAND, "--version"], capture_output=True,
                              text=True, timeout=20)
    except OSError as error:
        return f"{COMMAND[0]}: {error.strerror}"
    return "" if done.returncode == 0 else done.stderr.strip()


@functools.cache
def version() -> tuple[int, ...]:
    said = subprocess.run([*COMMAND, "--version"], capture_output=True,
                          text=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    assert found, said
    return tuple(map(int, found.groups()))


NEWER = Path(__file__).resolve().parents[2] / "build" / "redis"


@functools.cache
def newer(name: str) -> list[str]:
    """The command of Debian 13's "redis" or "valkey"; skips without one."""
    for command in (COMMAND, [str(NEWER / f"{name}-server")]):
        try:
            said = subprocess.run([*command, "--version"], timeout=20,
                                  capture_output=True, text=True).stdout
        except OSError:
            continue
        if re.match(rf"{name} server v=([89]|\d\d)", said, re.I):
            return command
    pytest.skip(f"no newer {name}: tests/redis/newer.sh {name} makes it")


class Server:
    """One redis-server, empty, without persistence."""

    def __init__(self, directory: Path, *args: Word, password: str = "",
                 user: str = "", tls: Optional[Authority] = None,
                 names: Sequence[str] = (), client_certs: bool = False,
                 unix: bool = False, lines: Sequence[str] = (),
                 sentinel: bool = False, cluster: bool = False,
                 command: Sequence[str] = COMMAND,
                 env: Optional[dict[str, str]] = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.command, self.env = list(command), {**os.environ, **(env or {})}
        self.directory, self.password, self.user = directory, password, user
        self.tls, self.unix, self.sentinel = tls, unix, sentinel
        self._held = [Reserved()]
        self.port = self._held[0].port
        self.socket = directory / "s"
        self.log = directory / "log"
        self.conf = directory / "redis.conf"
        self.lines = ["daemonize no", 'save ""', "appendonly no",
                      f"dir {directory}", f"logfile {self.log}",
                      "enable-debug-command local", *lines]
        if sentinel:
            self.lines = ["daemonize no", f"dir {directory}",
                          f"logfile {self.log}", *lines]
        if cluster:
            self._held.append(Reserved())
            self.lines += ["cluster-enabled yes", "cluster-node-timeout 1000",
                           f"cluster-port {self._held[1].port}",
                           "cluster-config-file nodes.conf",
                           "repl-diskless-sync-delay 0"]
        if tls:
            chain, key = tls.files(*names)
            self.lines += [f"port 0", f"tls-port {self.port}",
                           f"tls-cert-file {chain}", f"tls-key-file {key}",
                           f"tls-ca-cert-file {tls.pem}",
                           "tls-auth-clients "
                           + ("yes" if client_certs else "no"),
                           "tls-replication yes", "tls-cluster yes"]
        else:
            self.lines.append(f"port {self.port}")
        if unix:
            self.lines.append(f"unixsocket {self.socket}")
        if password and not user:
            self.lines.append(f"requirepass {password}")
        if user:
            self.lines += [f"user {user} on >{password} ~* &* +@all "
                           "-@scripting -@dangerous", "user default off"]
        self.args = [str(arg) for arg in args]
        self.process: Optional[subprocess.Popen[bytes]] = None

    # -- life

    def start(self, keep: bool = False) -> "Server":
        """Empty, on the same port as before; keep: its place in a Cluster."""
        self.conf.write_text("\n".join(self.lines) + "\n")
        for old in self.directory.glob("nodes*.conf"):
            if not keep:
                old.unlink()
        mode = ["--sentinel"] if self.sentinel else []
        self.process = subprocess.Popen(
            [*self.command, str(self.conf), *self.args, *mode],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, env=self.env)
        wait_for(self._answers, 10, f"{self.command[0]} to answer")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (
            self.log.read_text() if self.log.exists() else "no log")
        try:
            self.connect(timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def restart(self) -> None:
        """As another empty server at the same address."""
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()
        for held in self._held:
            held.close()

    # -- callers

    @property
    def address(self) -> str:
        return f"unix:{self.socket}" if self.unix \
            else f"127.0.0.1:{self.port}"

    def directive(self, *words: str) -> str:
        """The line of nginx.conf, with what the server asks for."""
        parts = [self.address, *patient(words)]
        said = " ".join(words)
        if self.tls and "ssl" not in words:
            parts.append("ssl")
            if "ssl_verify=" not in said and "ssl_ca=" not in said:
                parts.append(f"ssl_ca={self.tls.pem}")
        if self.user and "user=" not in said:
            parts.append(f"user={self.user}")
        if self.password and "password=" not in said:
            secret = self.directory / "password"
            secret.write_text(self.password + "\n")
            secret.chmod(0o600)
            parts.append(f"password=file:{secret}")
        return f"llm_redis {' '.join(parts)};\n"

    def connect(self, timeout: float = 10) -> Resp:
        if self.unix:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            sock.connect(str(self.socket))
        else:
            sock = socket.create_connection(("127.0.0.1", self.port), timeout)
        if self.tls:
            context = ssl.create_default_context(cafile=str(self.tls.pem))
            context.check_hostname = False
            sock = context.wrap_socket(sock)
        return Resp(sock)

    def do(self, *words: Word) -> Any:
        """One command as an administrator."""
        return self.pipeline(words)[0]

    def pipeline(self, *commands: Sequence[Word]) -> list[Any]:
        resp = self.connect()
        try:
            if self.password:
                user = [self.user] if self.user else []
                resp.send(encode("AUTH", *user, self.password))
                assert resp.read() == "OK"
            resp.send(b"".join(encode(*words) for words in commands))
            replies = [resp.read() for _ in commands]
        finally:
            resp.close()
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
        return replies

    def pause(self, ms: int) -> None:
        """CLIENT PAUSE: commands are read, and answered later."""
        self.do("CLIENT", "PAUSE", ms, "ALL")

    def clients(self) -> list[str]:
        """Connections of others."""
        return [line for line in self.do("CLIENT", "LIST").splitlines()
                if "cmd=client" not in line]

    def rss(self) -> int:
        return int(re.search(r"used_memory:(\d+)",
                             self.do("INFO", "memory"))[1])


# -- Sentinel ----------------------------------------------------------------

class Sentinel:
    """A master, its replicas, and three Sentinels.

    A master that dies is replaced in tests that say down_after=500; a busy
    machine may be silent for that long, so others say nothing.
    """

    def __init__(self, directory: Path, *, name: str = "mymaster",
                 replicas: int = 1, password: str = "",
                 sentinel_password: str = "", down_after: int = 60000,
                 lines: Sequence[str] = ()):
        self.name, self.password = name, password
        self.sentinel_password = sentinel_password
        auth = [f"masterauth {password}"] if password else []
        self.servers = [Server(directory / f"redis{i}", password=password,
                               lines=["repl-diskless-sync-delay 0", *auth,
                                      *lines])
                        for i in range(replicas + 1)]
        self.servers[0].start()
        for server in self.servers[1:]:
            server.lines.append(f"replicaof 127.0.0.1 {self.servers[0].port}")
            server.start()
        wait_for(lambda: self.servers[0].do("INFO", "replication").count(
            "state=online") == replicas, 20, "the replicas")
        watch = [f"sentinel monitor {name} 127.0.0.1 "
                 f"{self.servers[0].port} 2",
                 f"sentinel down-after-milliseconds {name} {down_after}",
                 f"sentinel failover-timeout {name} 3000"]
        if password:
            watch.append(f"sentinel auth-pass {name} {password}")
        if sentinel_password:
            watch.append(f"sentinel sentinel-pass {sentinel_password}")
        self.sentinels = [Server(directory / f"sentinel{i}", sentinel=True,
                                 password=sentinel_password, lines=watch)
                          for i in range(3)]
        for server in self.sentinels:
            server.start()
            # who has been stopped for two seconds does nothing for thirty
            server.do("SENTINEL", "DEBUG", "tilt-period", 1000)
        wait_for(self._ready, 20, "the Sentinels to know each other")

    def _ready(self) -> bool:
        for server in self.sentinels:
            said = server.do("SENTINEL", "MASTER", self.name)
            facts = dict(zip(said[::2], said[1::2]))
            if (facts["num-other-sentinels"] != "2"
                    or facts["num-slaves"] != str(len(self.servers) - 1)
                    or facts["flags"] != "master"):
                return False
        return True

    def directive(self, *words: str) -> str:
        addresses = [f"127.0.0.1:{s.port}" for s in self.sentinels]
        secrets = []
        for what, text in (("password", self.password),
                           ("sentinel_password", self.sentinel_password)):
            if text:
                path = self.sentinels[0].directory / what
                path.write_text(text)
                path.chmod(0o600)
                secrets.append(f"{what}=file:{path}")
        return (f"llm_redis {' '.join(addresses)} sentinel={self.name} "
                f"{' '.join([*secrets, *patient(words)])};\n")

    def master(self) -> Server:
        """Whom most Sentinels call the master."""
        ports = [int(s.do("SENTINEL", "get-master-addr-by-name",
                          self.name)[1])
                 for s in self.sentinels
                 if s.process is not None and s.process.poll() is None]
        port = max(set(ports), key=ports.count)
        return next(s for s in self.servers if s.port == port)

    def failover(self) -> None:
        """Kills the master; returns at once."""
        self.master().kill()

    def switch(self) -> Server:
        """A planned fail-over, without a death; the new master."""
        old = self.master()
        self.sentinels[0].do("SENTINEL", "FAILOVER", self.name)
        wait_for(lambda: self.master() is not old, 20, "another master")
        return self.master()

    def close(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.close()


# -- Cluster -----------------------------------------------------------------

class Cluster:
    """Masters that share the slots evenly.

    A node that is silent for node_timeout ms is down: 1000 in tests about
    that; other tests have a time that no machine is busy for.
    """

    def __init__(self, directory: Path, *, masters: int = 3, replicas: int = 0,
                 node_timeout: int = 60000, **options: Any):
        count = masters * (1 + replicas)
        self.servers = [Server(directory / f"redis{i}", cluster=True,
                               **options).start() for i in range(count)]
        for n, server in enumerate(self.servers):
            server.do("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            if n < masters:
                server.do("CLUSTER", "ADDSLOTSRANGE", n * 16384 // masters,
                          (n + 1) * 16384 // masters - 1)
        wait_for(self._meet, 20, "all to know each other", interval=0.1)
        for n, server in enumerate(self.servers[masters:]):
            server.do("CLUSTER", "REPLICATE",
                      self._id(self.servers[n % masters]))
        wait_for(self._ready, 20, "the Cluster")
        for server in self.servers:
            self.calm(server, node_timeout)

    @staticmethod
    def calm(server: Server, node_timeout: int = 60000) -> None:
        """From now on; what a node waits for as it begins is as long."""
        server.do("CONFIG", "SET", "cluster-node-timeout", node_timeout)

    def _meet(self) -> bool:
        """A handshake that is late is given up, so it is begun again."""
        strangers = [s for s in self.servers if len(
            [line for line in s.do("CLUSTER", "NODES").splitlines()
             if "handshake" not in line]) != len(self.servers)]
        for one, two in itertools.product(strangers, self.servers):
            if one is not two:
                one.do("CLUSTER", "MEET", "127.0.0.1", two.port,
                       two._held[1].port)
        return not strangers

    def _ready(self) -> bool:
        return all("cluster_state:ok" in s.do("CLUSTER", "INFO")
                   and "master_link_status:down" not in s.do(
                       "INFO", "replication")
                   and len(s.do("CLUSTER", "NODES").splitlines())
                   == len(self.servers)
                   for s in self.alive)

    @property
    def alive(self) -> list[Server]:
        return [s for s in self.servers
                if s.process is not None and s.process.poll() is None]

    def directive(self, *words: str, only: int = 0) -> str:
        """With the addresses of all, or of the first few."""
        line = self.servers[0].directive(*words).split(" ", 2)
        servers = self.servers[:only] if only else self.servers
        addresses = " ".join(s.address for s in servers)
        more = line[2] if len(line) > 2 else ";\n"
        line[1] = line[1].rstrip(";\n")
        if len(servers) == 1:
            addresses += " cluster"
        return f"llm_redis {addresses} {more}"

    @staticmethod
    def slot(key: str) -> int:
        found = re.search(r"\{([^}]+)\}", key)
        if found and key.index("{") == found.start():
            key = found[1]
        crc = 0
        for byte in key.encode():
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
                crc &= 0xffff
        return crc % 16384

    def owner(self, slot: int) -> Server:
        """Who says himself that he has it."""
        return wait_for(lambda: self._owner(slot), 10,
                        f"slot {slot} to have an owner")

    @staticmethod
    def _epoch(server: Server) -> str:
        found = re.search(r"cluster_current_epoch:(\d+)",
                          server.do("CLUSTER", "INFO"))
        assert found
        return found[1]

    def _owner(self, slot: int) -> Optional[Server]:
        for server in self.alive:
            for first, last, (_, port, *_), *_ in server.do("CLUSTER",
                                                            "SLOTS"):
                if first <= slot <= last and port == server.port:
                    return server
        return None

    @staticmethod
    def _id(server: Server) -> str:
        return server.do("CLUSTER", "MYID")

    def other(self, server: Server) -> Server:
        """Another master."""
        ports = [port for _, _, (_, port, *_), *_
                 in server.do("CLUSTER", "SLOTS")]
        return next(s for s in self.alive
                    if s is not server and s.port in ports)

    def begin_move(self, slot: int, to: Server) -> Server:
        """From now on the slot is on its way (ASK); who had it."""
        # a node that does not know the last epoch loses the slot again
        wait_for(lambda: len(set(map(self._epoch, self.alive))) == 1, 10,
                 "one epoch")
        old = self.owner(slot)
        to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(old))
        old.do("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(to))
        return old

    def end_move(self, slot: int, old: Server, to: Server) -> None:
        """Moves the keys, then the slot (MOVED)."""
        auth = ["AUTH", old.password] if old.password else []
        while keys := old.do("CLUSTER", "GETKEYSINSLOT", slot, 100):
            old.do("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, *auth,
                   "KEYS", *keys)
        for server in (to, old, *[s for s in self.alive
                                  if s not in (to, old)]):
            with contextlib.suppress(ReplyError):   # replicas cannot
                server.do("CLUSTER", "SETSLOT", slot, "NODE", self._id(to))

    def move(self, slot: int) -> Server:
        """To another master, which is returned."""
        to = self.other(self.owner(slot))
        self.end_move(slot, self.begin_move(slot, to), to)
        return to

    def close(self) -> None:
        for server in self.servers:
            server.close()


# -- a server that breaks ----------------------------------------------------

Answer = Callable[[list[str], Resp], Optional[bytes]]

GREETINGS = {"AUTH": b"+OK\r\n", "SELECT": b"+OK\r\n", "PING": b"+PONG\r\n",
             "ROLE": b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"}


class Faulty:
    """Speaks RESP as a test says.

    answer(words, resp) gives the bytes of a reply, or None and does with the
    connection what it likes.  What a connection begins with is answered as
    Redis does, unless greet is False.
    """

    def __init__(self, answer: Answer | bytes, *, greet: bool = True):
        self.answer, self.greet = answer, greet
        self.commands: list[list[str]] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self._open: list[Resp] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def directive(self, *words: str) -> str:
        return f"llm_redis {self.address} {' '.join(patient(words))};\n"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            resp = Resp(sock)
            self._open.append(resp)
            threading.Thread(target=self._serve, args=[resp],
                             daemon=True).start()

    def _serve(self, resp: Resp) -> None:
        try:
            while True:
                words = resp.read()
                reply = self._reply(words, resp)
                if reply is not None:
                    resp.send(reply)
        except (OSError, ValueError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            resp.close()

    def _reply(self, words: list[str], resp: Resp) -> bytes | None:
        if self.greet:
            if words[0] == "TIME":
                now = time.time()
                return encode(int(now), int(now % 1 * 1e6))
            if words[0] in GREETINGS:
                return GREETINGS[words[0]]
        self.commands.append(words)
        return self.answer(words, resp) if callable(self.answer) \
            else self.answer

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for resp in self._open:
            with contextlib.suppress(OSError):
                resp.sock.shutdown(socket.SHUT_RDWR)


class Between:
    """A server at another address, whose replies can be cut in the middle,
    lost or held back, and whose clock can be wrong by some seconds.

    (A redis-server under faketime does not come up: its allocator asks for
    the time before there is any.)
    """

    TIME = re.compile(rb"\*2\r\n\$10\r\n(\d{10})\r\n(?=\$[1-6]\r\n)")

    def __init__(self, server: Server):
        self.server = server
        self.cutting = False
        self.shift = 0.0
        self.passing = threading.Event()
        self.passing.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self._lose: tuple[bytes, bool] | None = None
        self._lost: dict[socket.socket, bool] = {}
        self.lost = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def directive(self, *words: str) -> str:
        words = patient(words)
        return f"llm_redis 127.0.0.1:{self.port} {' '.join(words)};\n"

    def lose(self, what: str, hang_up: bool = True) -> None:
        """The next transaction with that in it is carried out, and not
        answered: its connection ends, or nothing comes on it.  self.lost says
        when."""
        self.lost.clear()
        self._lose = (what.encode(), hang_up)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1",
                                                self.server.port))
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(sock)
            for one, two, replies in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._copy, args=[one, two, replies],
                                 daemon=True).start()

    def _copy(self, one: socket.socket, two: socket.socket,
              replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if not replies and self._lose and self._lose[0] in data:
                    self._lost[two] = self._lose[1]
                    self._lose = None
                if replies and one in self._lost:
                    if b"*3\r\n" not in data:
                        continue
                    self.lost.set()
                    if self._lost[one]:
                        break
                    continue
                if replies and self.cutting and len(data) > 20:
                    two.sendall(data[:len(data) // 2])
                    break
                if replies and self.shift:
                    data = self.TIME.sub(self._shifted, data)
                if replies:
                    self.passing.wait()
                two.sendall(data)
        for sock in (one, two):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _shifted(self, found: re.Match[bytes]) -> bytes:
        return b"*2\r\n$10\r\n%d\r\n" % (int(found[1]) + self.shift)

    def hang_up(self) -> None:
        """Ends all connections; new ones are taken."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._open = []

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.passing.set()
        self.hang_up()


# -- fixtures ----------------------------------------------------------------

class Closing:
    """What a fixture has made."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def add(self, thing: Any) -> Any:
        self.made.append(thing)
        return thing

    def close(self) -> None:
        for thing in reversed(self.made):
            thing.close()


@pytest.fixture
def _redis_things() -> Iterator[Closing]:
    things = Closing()
    yield things
    things.close()


def _need() -> None:
    reason = available()
    if reason:
        pytest.skip(f"no Redis: {reason}")


@pytest.fixture
def redis(tmp_path: Path, _redis_things: Closing,
          request: pytest.FixtureRequest) -> Callable[..., Server]:
    """Makes a standalone server; Server says with what."""
    def make(*args: Word, start: bool = True, **options: Any) -> Server:
        _need()
        if "clock" in request.fixturenames:
            clock = request.getfixturevalue("clock")
            if isinstance(clock, Clock):  # test_quota has one of its own
                options["env"] = clock.environment()
        directory = tmp_path / f"redis{len(_redis_things.made)}"
        server = _redis_things.add(Server(directory, *args, **options))
        return server.start() if start else server
    return make


@pytest.fixture
def redis8(redis: Callable[..., Server]) -> Callable[..., Server]:
    """The same of Redis 8, which has vector sets."""
    return functools.partial(redis, command=newer("redis"))


@pytest.fixture
def sentinel(tmp_path: Path, _redis_things: Closing
             ) -> Callable[..., Sentinel]:
    """Makes a master, replicas and three Sentinels."""
    def make(**options: Any) -> Sentinel:
        _need()
        return _redis_things.add(Sentinel(tmp_path / "sentinel", **options))
    return make


@pytest.fixture
def cluster(tmp_path: Path, _redis_things: Closing) -> Callable[..., Cluster]:
    """Makes a Cluster."""
    def make(**options: Any) -> Cluster:
        _need()
        return _redis_things.add(Cluster(tmp_path / "cluster", **options))
    return make


@pytest.fixture
def between(_redis_things: Closing) -> Callable[..., Between]:
    """Puts itself before a server."""
    def make(server: Server) -> Between:
        return _redis_things.add(Between(server))
    return make


@pytest.fixture
def faulty(_redis_things: Closing) -> Callable[..., Faulty]:
    """Makes a server that breaks."""
    def make(answer: Answer | bytes, **options: Any) -> Faulty:
        return _redis_things.add(Faulty(answer, **options))
    return make
