"""One nginx for one test, and what may never be in its logs.

    gw = gateway(http=provider.upstream("up") + "llm_route r {...}")
    r = gw.post("/v1/chat/completions", {...})
    assert r.status == 200

LLMOPS_NGINX names the binary, LLMOPS_MODULE the module, LLMOPS_DEBUG=1 turns
the debug log on for every test, LLMOPS_WORKERS sets the number of workers
where a test does not.
"""

from __future__ import annotations

import functools
import glob
import json as jsonlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from . import metrics as metricslib
from .client import Client, Response
from .h2client import H2Client
from .provider import Headers, Provider
from .tls import Authority
from .util import Reserved, SLOW, wait_for

ROOT = Path(__file__).resolve().parents[2]
NGINX = os.environ.get("LLMOPS_NGINX", "/usr/sbin/nginx")
MODULE = Path(os.environ.get("LLMOPS_MODULE",
                             ROOT / "build" / "ngx_llmops_module.so"))
DEBUG = os.environ.get("LLMOPS_DEBUG", "") not in ("", "0")
WORKERS = int(os.environ.get("LLMOPS_WORKERS", "1"))

#: variables of the module that each line of the access log has
VARIABLES = (
    "llm_model llm_route llm_target llm_provider llm_operation llm_stream "
    "llm_input_tokens llm_output_tokens llm_cached_tokens "
    "llm_cache_write_tokens llm_reasoning_tokens llm_usage llm_cost "
    "llm_attempts llm_first_token_time llm_finish_reason llm_error "
    "llm_request_id llm_response_model llm_warnings llm_client llm_checks "
    "llm_tenant llm_prompt llm_arm llm_limit llm_limit_dry_run "
    "llm_reserved_tokens llm_estimated_tokens llm_cache "
    "llm_cache_key llm_sources").split()
PLAIN = ("status request_method request_uri server_protocol body_bytes_sent "
         "request_time request_length request_completion upstream_addr "
         "upstream_status upstream_response_time upstream_bytes_received "
         "pid msec").split()

FORBIDDEN = [re.compile(pattern) for pattern in (
    r"\[alert\]", r"\[crit\]", r"\[emerg\]", r"open socket", r"count is zero",
    r"ERROR: AddressSanitizer", r"ERROR: LeakSanitizer", r"runtime error:",
    r"exited on signal", r"exited with code [1-9]", r"Traceback")]

#: nginx's own words about what tests do to it on purpose
HARMLESS = [re.compile(pattern) for pattern in (
    # TLS clients and providers that break off: levels of nginx, not ours
    r"\[crit\].*SSL_(do_handshake|read|write|shutdown)\(\) failed",
)]


def route(*lines: str, name: str = "r", match: str = "*") -> str:
    """An llm_route{} block."""
    body = "\n        ".join(lines)
    return f"""
    llm_route {name} {{
        match {match};
        {body}
    }}
"""


@functools.cache
def nginx_version() -> tuple[int, ...]:
    said = subprocess.run([NGINX, "-v"], capture_output=True, text=True,
                          env={}, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    assert found, said
    return tuple(map(int, found.groups()))


@dataclass
class Check:
    """What nginx -t said of a configuration."""
    code: int
    stderr: str
    conf: Path

    @property
    def ok(self) -> bool:
        return self.code == 0

    def line_of(self, fragment: str) -> int:
        """The line of the configuration that has the fragment (the last)."""
        lines = self.conf.read_text().splitlines()
        found = [n for n, line in enumerate(lines, 1) if fragment in line]
        assert found, f"{fragment!r} is not in the configuration"
        return found[-1]


@dataclass
class Config:
    """The parts of nginx.conf that a test may fill in."""
    http: str = ""                   # inside http{}: upstreams, routes
    location: str = "llm_pass;"      # inside location /v1/
    server: str = ""                 # more inside server{}
    main: str = ""                   # outside of all blocks
    events: str = ""
    workers: int = WORKERS
    tls: bool = False                # a listener with TLS, HTTP/2 by ALPN
    h2c: bool = False                # a listener with HTTP/2 in clear
    module: bool = True
    metrics: bool = True             # location = /metrics
    debug: bool = DEBUG
    listen: str = ""                 # more for the first listener
    modules: list[Path] = field(default_factory=list)    # more, loaded last

    def but(self, **changes: Any) -> "Config":
        return Config(**{**self.__dict__, **changes})


def _alive(group: int) -> bool:
    """Whether a thread of that group has files open: is no zombie.

    A process looks like one as soon as its first thread has ended; the others
    keep the files, and their locks, open for as long as they take to end.
    """
    for stat in glob.iglob("/proc/[0-9]*/task/[0-9]*/stat"):
        try:
            said = Path(stat).read_text()
        except OSError:
            continue
        state, _, pgrp = said.rpartition(")")[2].split()[:3]
        if int(pgrp) == group and state not in "ZX":
            return True
    return False


class Gateway:
    def __init__(self, prefix: Path, config: Config, *,
                 authority: Authority, env: dict[str, str] | None = None,
                 providers: list[Provider] | None = None,
                 loaded: dict[str, str] | None = None):
        """loaded: of nginx's environment, but not of its configuration."""
        self.prefix, self.config, self.authority = prefix, config, authority
        self.providers = providers if providers is not None else []
        self.env, self.loaded = dict(env or {}), dict(loaded or {})
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.master = 0
        self.problems: list[str] = []
        self._allowed = list(HARMLESS)
        self._clients: list[Any] = []
        self._secrets: list[str] = []
        self._ports = {name: Reserved()
                       for name in ("plain", "tls", "h2c", "metrics")}
        for directory in ("logs", "temp"):
            (prefix / directory).mkdir(parents=True, exist_ok=True)
        self.conf = prefix / "nginx.conf"
        self.log = prefix / "logs" / "error.log"
        self.access = prefix / "logs" / "access.log"
        self.stderr = prefix / "logs" / "stderr.log"
        self.tested = prefix / "logs" / "tested.log"

    # -- configuration -------------------------------------------------------

    @property
    def port(self) -> int:
        return self._ports["plain"].port

    @property
    def tls_port(self) -> int:
        return self._ports["tls"].port

    @property
    def h2c_port(self) -> int:
        return self._ports["h2c"].port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _environment(self) -> dict[str, str]:
        """For nginx: keys of providers, what the test gave, sanitizers."""
        keys = {p.key_variable: p.key for p in self.providers if p.key}
        kept = {name: value for name, value in os.environ.items()
                if name in ("PATH", "HOME", "TZ", "LD_LIBRARY_PATH",
                            "ASAN_SYMBOLIZER_PATH")}
        asan = os.environ.get(
            "ASAN_OPTIONS", "detect_odr_violation=0:detect_leaks=0")
        if "LD_PRELOAD" in self.loaded:
            asan += ":verify_asan_link_order=0"     # it is not the first one
        kept["ASAN_OPTIONS"] = f"{asan}:log_path={self.prefix}/logs/asan"
        kept["UBSAN_OPTIONS"] = os.environ.get(
            "UBSAN_OPTIONS", "print_stacktrace=1")
        return {**kept, **keys, **self.env, **self.loaded}

    def _listeners(self) -> str:
        config = self.config
        new = nginx_version() >= (1, 25, 1)
        lines = [f"listen 127.0.0.1:{self.port} {config.listen};"]
        if config.tls:
            chain, key = self.authority.files()
            http2 = "" if new else " http2"
            lines += [f"listen 127.0.0.1:{self.tls_port} ssl{http2};",
                      f"ssl_certificate {chain};",
                      f"ssl_certificate_key {key};"]
        if config.h2c:
            http2 = "" if new else " http2"
            lines.append(f"listen 127.0.0.1:{self.h2c_port}{http2};")
        if new and (config.tls or config.h2c):
            lines.append("http2 on;")
        return "\n        ".join(lines)

    def text(self) -> str:
        config = self.config
        names = [p.key_variable for p in self.providers if p.key]
        env = "".join(f"env {name};\n" for name in [*names, *self.env])
        load = f"load_module {MODULE};\n" if config.module else ""
        load += "".join(f"load_module {path};\n" for path in config.modules)
        fields = [*PLAIN, *(VARIABLES if config.module else [])]
        ledger = ",".join(f'"{name}":"${name}"' for name in fields)
        metrics = ""
        if config.module and config.metrics:
            metrics = f"""
    server {{
        listen 127.0.0.1:{self._ports["metrics"].port};
        access_log off;
        location = /metrics {{ llm_metrics; }}
    }}
"""
        return f"""{load}{env}user root;
daemon off;
worker_processes {config.workers};
pid {self.prefix}/nginx.pid;
error_log {self.log} {"debug" if config.debug else "info"};
{config.main}
events {{
    worker_connections 8192;
    {config.events}
}}
http {{
    log_format ledger escape=json '{{{ledger}}}';
    access_log {self.access} ledger;
    keepalive_requests 1000000;
    client_body_temp_path {self.prefix}/temp/body;
    proxy_temp_path {self.prefix}/temp/proxy;
    fastcgi_temp_path {self.prefix}/temp/fastcgi;
    uwsgi_temp_path {self.prefix}/temp/uwsgi;
    scgi_temp_path {self.prefix}/temp/scgi;
    {config.http}
    server {{
        {self._listeners()}
        location /v1/ {{
            {config.location}
        }}
        {config.server}
    }}{metrics}
}}
"""

    def write(self) -> None:
        self.conf.write_text(self.text())

    def _command(self, log: Path, *more: str) -> list[str]:
        return [NGINX, "-p", str(self.prefix), "-c", str(self.conf),
                "-e", str(log), *more]

    def check(self) -> Check:
        """nginx -t of the configuration as it is now."""
        self.write()
        done = subprocess.run(self._command(self.tested, "-t"),
                              capture_output=True, text=True,
                              env=self._environment(), timeout=30)
        return Check(done.returncode, done.stderr, self.conf)

    # -- life ----------------------------------------------------------------

    def start(self) -> "Gateway":
        self.write()
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                self._command(self.log), stdin=subprocess.DEVNULL,
                stdout=stderr, stderr=stderr, env=self._environment(),
                start_new_session=True)
        self.master = self.process.pid

        def up() -> bool:
            assert self.process is not None
            code = self.process.poll()
            assert code is None, (f"nginx did not start ({code}):\n"
                                  f"{self.stderr.read_text()}")
            try:
                Client(self.port, timeout=1).close()
            except OSError:
                return False
            return len(self.workers()) >= self.config.workers
        wait_for(up, 10, "nginx to answer")
        return self

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout: float = 10.0 * SLOW) -> None:
        """QUIT: what is under way is ended in peace."""
        if not self.running:
            return
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.problems.append(f"nginx was still there {timeout} s after "
                                 "QUIT")
            self.kill()

    def kill(self) -> None:
        """All processes at once; returns when they are gone."""
        if self.running:
            assert self.process is not None
            group = self.process.pid
            os.killpg(group, signal.SIGKILL)
            self.process.wait(10)
            wait_for(lambda: not _alive(group), 10, "the workers' end")

    def reload(self, **changes: Any) -> None:
        """HUP with a changed configuration; returns when it serves."""
        self.config = self.config.but(**changes)
        self.write()
        old = set(self.workers())
        mark = len(self.error_log())
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

        def done() -> bool:
            said = self.error_log()[mark:]
            assert "[emerg]" not in said, f"the reload failed:\n{said}"
            now = self.workers()
            return (len(now) >= self.config.workers
                    and not old.intersection(now))
        wait_for(done, 15, "new workers")

    # -- processes -----------------------------------------------------------

    def _children(self) -> dict[int, str]:
        children = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
                title = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            state, ppid = stat.rpartition(")")[2].split()[:2]
            if int(ppid) == self.master and state != "Z":
                children[int(entry)] = title.rstrip(b"\0 ").decode()
        return children

    def workers(self, leaving: bool = False) -> list[int]:
        """Workers that take connections; or those that are shutting down."""
        title = "nginx: worker process"
        if leaving:
            title += " is shutting down"
        return sorted(pid for pid, said in self._children().items()
                      if said == title)

    def kill_worker(self, pid: int, sig: int = signal.SIGKILL) -> None:
        self.allow(rf"exited on signal {sig:d}")
        os.kill(pid, sig)
        wait_for(lambda: pid not in self._children(), 5, "the worker's end")

    def worker(self) -> int:
        return wait_for(lambda: (pids := self.workers()) and len(pids) == 1
                        and pids[0], 2, "the one worker")

    def rss(self, pid: int | None = None) -> int:
        """Bytes of memory of a worker.

        Always the same under sanitizers, which hold back what is freed.
        """
        if SLOW > 1:
            return 0
        status = Path(f"/proc/{pid or self.worker()}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def fds(self, pid: int | None = None) -> int:
        return len(os.listdir(f"/proc/{pid or self.worker()}/fd"))

    def cpu(self, pid: int | None = None) -> float:
        """Seconds of CPU that a worker has used."""
        stat = Path(f"/proc/{pid or self.worker()}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # -- logs ----------------------------------------------------------------

    def error_log(self) -> str:
        try:
            return self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def ledger(self, count: int = 1, timeout: float = 5.0) -> list[
            dict[str, str]]:
        """The lines of the access log, at least count of them."""
        def lines() -> list[dict[str, str]]:
            text = self.access.read_text() if self.access.exists() else ""
            whole = text[:text.rfind("\n") + 1]
            return [jsonlib.loads(line) for line in whole.split("\n")[:-1]]
        wait_for(lambda: len(lines()) >= count, timeout,
                 f"{count} lines in the access log")
        return lines()

    def metrics(self) -> metricslib.Metrics:
        answer = self.fetch_metrics()
        assert answer.status == 200
        return metricslib.parse(answer.body.decode())

    def fetch_metrics(self) -> Response:
        client = Client(self._ports["metrics"].port, timeout=5)
        try:
            return client.request("GET", "/metrics").read()
        finally:
            client.close()

    def allow(self, *patterns: str) -> None:
        """Lines that this test provokes."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def secret(self, *texts: str) -> None:
        """Texts that may not be in any log."""
        self._secrets += texts

    # -- callers -------------------------------------------------------------

    def track(self, client: Any) -> Any:
        self._clients.append(client)
        return client

    def connect(self, **options: Any) -> Client:
        tls = options.pop("tls", False)
        if tls is True:
            options["tls"] = self.authority.client_context(["http/1.1"])
        port = self.tls_port if tls else self.port
        return self.track(Client(port, **options))

    def connect_h2(self, **options: Any) -> H2Client:
        """HTTP/2, over TLS where the test has it on."""
        if self.config.tls:
            options["tls"] = self.authority.client_context(["h2"])
            return self.track(H2Client(self.tls_port, **options))
        return self.track(H2Client(self.h2c_port, **options))

    def request(self, method: str, path: str, body: bytes | None = None,
                headers: Headers = (), **options: Any) -> Response:
        client = Client(self.port)
        try:
            headers = [("Connection", "close"), *headers]
            return client.request(method, path, body, headers,
                                  **options).read()
        finally:
            client.close()

    def get(self, path: str, headers: Headers = ()) -> Response:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, value: Any = None, headers: Headers = (),
             **options: Any) -> Response:
        """value: bytes, or what becomes JSON."""
        body = value if isinstance(value, bytes) else \
            jsonlib.dumps(value).encode()
        return self.request("POST", path, body, headers, **options)

    def chat(self, text: str = "hi", model: str = "m", headers: Headers = (),
             **more: Any) -> Response:
        """One question in the OpenAI dialect."""
        return self.post("/v1/chat/completions", {
            "model": model, "messages": [{"role": "user", "content": text}],
            **more}, headers)

    def messages(self, text: str = "hi", model: str = "m",
                 headers: Headers = (), **more: Any) -> Response:
        """One question in the Anthropic dialect."""
        return self.post("/v1/messages", {
            "model": model, "max_tokens": 100,
            "messages": [{"role": "user", "content": text}], **more},
            [("anthropic-version", "2023-06-01"), *headers])

    def openai(self, **options: Any) -> Any:
        """The official client."""
        import openai
        settings = {"base_url": f"{self.url}/v1", "max_retries": 0,
                    "api_key": "sk-caller-openai-0123456789", "timeout": 15}
        return self.track(openai.OpenAI(**{**settings, **options}))

    def anthropic(self, **options: Any) -> Any:
        """The official client."""
        import anthropic
        settings = {"base_url": self.url, "max_retries": 0,
                    "api_key": "sk-ant-caller-0123456789", "timeout": 15}
        return self.track(anthropic.Anthropic(**{**settings, **options}))

    # -- the end -------------------------------------------------------------

    def finish(self, release: Callable[[], None]) -> list[str]:
        """Stops nginx, and says what was wrong."""
        for client in self._clients:
            try:
                client.close()
            except Exception:       # already closed, or broken on purpose
                pass
        if self.running:
            self._check_gauges()
            assert self.process is not None
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                release()
                self.stop()
        elif self.process is not None and self.process.returncode != 0:
            if not self.problems:
                self.problems.append(
                    f"nginx ended with {self.process.returncode}")
        for port in self._ports.values():
            port.close()
        return self.problems + list(self._bad_lines())

    def _check_gauges(self) -> None:
        if not (self.config.module and self.config.metrics):
            return
        try:
            if not self.metrics().has("llm_requests_in_flight"):
                return
            wait_for(lambda: self.metrics().sum("llm_requests_in_flight") == 0,
                     5, "llm_requests_in_flight to be 0")
        except (AssertionError, OSError) as error:
            self.problems.append(f"gauges: {error}")

    def _bad_lines(self) -> Iterator[str]:
        keys = [p.key for p in self.providers if p.key] + self._secrets
        for path in sorted((self.prefix / "logs").iterdir()):
            text = path.read_text(errors="replace")
            for line in text.splitlines():
                if path in (self.access, self.tested):
                    continue
                if any(p.search(line) for p in FORBIDDEN) \
                        and not any(p.search(line) for p in self._allowed):
                    yield f"{path.name}: {line[:2000]}"
            for key in keys:
                if key in text:
                    at = text.index(key)
                    yield (f"{path.name} has the secret {key}: "
                           f"...{text[max(0, at - 200):at + len(key)]}")

    def report(self) -> str:
        """For the reader of a failed test."""
        lines = self.error_log().splitlines()[-60:]
        stderr = self.stderr.read_text() if self.stderr.exists() else ""
        return "\n".join([f"prefix: {self.prefix}", stderr, *lines])


def elapsed(call: Callable[[], Any]) -> tuple[float, Any]:
    """How long a call takes, and what it gives."""
    start = time.monotonic()
    value = call()
    return time.monotonic() - start, value
