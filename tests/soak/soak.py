#!/usr/bin/env python3
"""Everything at once for a while, and then what must still be true.

    build/venv/bin/python tests/soak/soak.py --seconds 600

Callers of both dialects, streamed and not, three in ten of whom leave at a
random moment; providers that are healthy, that break off, stall, refuse and
answer with errors, and one whose process is frozen now and then; a reload
every five seconds.  At the end:

  I1  every request ended complete or with an error that says so
  I2  no alert, no dead worker, no sanitizer's line
  I3  what passes unchanged has its provider's bytes, however they were cut
  I4  no request to a healthy provider failed, reloads or not
  I5  no request is in flight
  I7  memory and descriptors are flat
  I8  no key and no prompt is in a log
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import (answers, anthropic_wire, Client, Config, Gateway,
                     openai_wire, Provider, Reply, SLOW, wait_for)
from harness.client import encode_request

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
PROMPT = "soak-prompt-that-no-log-may-have"
CALLER = "sk-caller-of-the-soak-0123456789"

#: name: dialect, one answer in so many is a fault
PROVIDERS = {
    "steady": ("openai", 0),
    "claude": ("anthropic", 0),
    "wild": ("openai", 4),
    "wildcat": ("anthropic", 4),
    "icy": ("openai", 0),
}

ROUTES = """
    llm_route steady  { match steady;  target steady/gpt; }
    llm_route claude  { match claude;  target claude/claude-m; }
    llm_route wild    { match wild;    target wild/gpt; fallback steady/gpt; }
    llm_route wildcat { match wildcat; target wildcat/claude-m; }
    llm_route icy     { match icy;     target icy/gpt; fallback steady/gpt; }
"""

HEALTHY = ("steady", "claude")
EVERY = 5.0                 # seconds between reloads


# -- providers, each a process of its own so that it can be frozen ------------

def reply_to(asked):
    """The answer that a prompt asks for: "... 7 40", text of 40 pieces."""
    content = asked["messages"][-1]["content"]
    if not isinstance(content, str):
        content = content[0]["text"]            # translated into blocks
    _, number, pieces = content.split()[:3]
    return Reply(text=f"wörd{int(number) % 10} " * int(pieces), piece=6,
                 id=number, input=11, output=int(pieces))


def whole_and_stream(dialect):
    if dialect == "anthropic":
        return anthropic_wire.message, anthropic_wire.message_stream
    return openai_wire.chat, openai_wire.chat_stream


def answer_script(dialect, one_in):
    whole, stream = whole_and_stream(dialect)

    def fault(x, asked, parts):
        kind = random.choice(("reset", "close", "reset_later", "close_later",
                              "cut", "stall", "429", "500", "529"))
        if kind.isdigit():
            return answers.error(dialect, int(kind), "soak")(x)
        if kind in ("reset", "close"):
            return getattr(x, kind)()
        if kind == "stall" or not asked.get("stream"):
            return x.stall(20)
        if kind == "cut":
            data = b"".join(parts)
            parts = [data[:random.randrange(1, len(data) - 14)]]
        else:
            parts = parts[:random.randrange(len(parts) - 2)]
        end = x.reset if kind == "reset_later" else x.close
        return answers.events(parts, finish=lambda _x: end())(x)

    def script(x):
        del x.provider.requests[:-50]
        asked = x.request.json
        reply = reply_to(asked)
        parts = stream(reply, asked)
        if one_in and random.randrange(one_in) == 0:
            return fault(x, asked, parts)
        if asked.get("stream"):
            return answers.events(parts, pause=random.choice((0, 0, 0.001)),
                                  split=random.choice((0, 0, 7, 300)))(x)
        return answers.body(answers.dump(whole(reply, asked)),
                            framing=random.choice(("length", "chunked")),
                            split=random.choice((0, 0, 11)))(x)
    return script


def serve(dialect, one_in, pipe):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    provider = Provider(answer_script(dialect, one_in), dialect=dialect)
    pipe.send(provider.port)
    while True:
        signal.pause()


class Remote:
    """A provider in a process of its own."""

    def __init__(self, name):
        self.name = name
        self.dialect, one_in = PROVIDERS[name]
        self.key = f"sk-provider-{name}-0123456789"
        self.key_variable = f"KEY_OF_{name.upper()}"
        ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=serve, args=(self.dialect, one_in, theirs), daemon=True)
        self.process.start()
        self.port = ours.recv()
        # a provider that is well is given up by nobody, however busy this
        # machine is
        self.patience = "connect=40s first_token=40s idle=40s total=2m" \
            if name in HEALTHY else \
            "connect=1s first_token=1s idle=1s total=10s"

    def upstream(self):
        return f"""
    upstream {self.name} {{
        server 127.0.0.1:{self.port};
        llm_dialect {self.dialect};
        llm_api_key env:{self.key_variable};
        llm_timeouts {self.patience};
    }}
"""

    def signal(self, number):
        os.kill(self.process.pid, number)


# -- callers ------------------------------------------------------------------

class Callers:
    def __init__(self, gw, threads, models=tuple(PROVIDERS)):
        self.gw, self.models = gw, models
        self.count = collections.Counter()
        self.wrong = []
        self.end = threading.Event()
        self.lock = threading.Lock()
        self.number = 0
        self.threads = [threading.Thread(target=self.run, daemon=True)
                        for _ in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join(60 * SLOW)
            if thread.is_alive():
                self.blame("a caller", "has had no answer for a minute")

    def blame(self, what, why):
        with self.lock:
            self.wrong.append(f"{what}: {why}")

    def run(self):
        client = None
        while not self.end.is_set():
            if client is None or random.random() < 0.3:
                client = self.connect()
            try:
                client = self.one(client)
            except Exception as error:      # noqa: what it was is the finding
                self.blame("exception", repr(error))
                client = None

    def connect(self):
        client = Client(self.gw.port, timeout=40 * SLOW)
        client.used = False
        return client

    def one(self, client):
        """One request; the client, or None when it cannot be used again."""
        with self.lock:
            self.number += 1
            number = self.number
        model = random.choice(self.models)
        caller = random.choice(list(PATHS))
        stream = random.random() < 0.6
        asked = {"model": model, "stream": stream, "max_tokens": 500,
                 "messages": [{"role": "user", "content": " ".join((
                     PROMPT, str(number), str(random.choice((1, 5, 40))),
                     "x" * random.choice((0, 50, 3000, 90000))))}]}
        if stream and caller == "openai":
            asked["stream_options"] = {"include_usage": True}
        data = encode_request("POST", PATHS[caller], [
            ("Content-Type", "application/json"),
            ("Authorization", f"Bearer {CALLER}")], answers.dump(asked))
        client.expect()
        if random.random() < 0.3:
            self.leave(client, data)
            return None
        try:
            client.send(data)
        except OSError:
            if client.used:
                return None             # closed while it was idle
            raise
        answer = client.read()
        if client.used and not answer.status:
            return None                 # the same: a client may try again
        client.used = True
        self.judge(f"{caller} {model} {number}", answer, caller, asked)
        if not answer.complete or \
                (answer.header("connection") or "") == "close":
            client.close()
            return None
        return client

    def leave(self, client, data):
        """Goes at some moment: in the request, before or in the answer."""
        self.count["left"] += 1
        try:
            if random.random() < 0.2:
                client.send(data[:random.randrange(1, len(data))])
            else:
                client.send(data)
                client.sock.settimeout(random.random() * 0.03 + 0.0005)
                while client.pump(random.choice((64, 65536))) \
                        and random.random() < 0.9:
                    pass
            if random.random() < 0.5:
                client.reset()
                return
        except (OSError, AssertionError):
            pass
        client.close()

    # -- verdicts -------------------------------------------------------------

    def judge(self, what, answer, caller, asked):
        model, stream = asked["model"], asked["stream"]
        error = self.error_of(answer, caller, stream)
        if error is None:
            why = self.incomplete(answer, caller, stream)
            if why:
                self.count["wrong"] += 1
                self.blame(what, f"{why}: {answer.status} {answer.end} "
                                 f"...{answer.body[-200:]!r}")
                return
            self.count["complete"] += 1
            if PROVIDERS[model][0] == caller:
                self.same_bytes(what, answer, asked)
            return
        self.count["error"] += 1
        if model in HEALTHY:
            self.blame(what, f"failed, though its provider is well: {error}")

    @staticmethod
    def error_of(answer, caller, stream):
        """What an error says in the caller's dialect, or None."""
        if not answer.complete:
            return None
        try:
            if answer.status >= 400:
                said = answer.json
            elif stream:
                said = answer.events[-1].json
            else:
                return None
            if caller == "anthropic" and said.get("type") != "error":
                return None
            return said["error"]["message"]
        except (ValueError, KeyError, IndexError, AttributeError):
            return None

    @staticmethod
    def incomplete(answer, caller, stream):
        """Why it is no whole answer, or None."""
        if not answer.complete:
            return "cut off" if answer.status else "no answer at all"
        if answer.status != 200:
            return "an error that is none of its dialect"
        try:
            if not stream:
                said = answer.json
                if not (said["content"] if caller == "anthropic"
                        else said["choices"]):
                    return "empty"
                return None
            last = answer.events[-1]
        except (ValueError, KeyError, IndexError) as error:
            return repr(error)
        if caller == "anthropic":
            return None if last.event == "message_stop" \
                else "a clean end without message_stop"
        # nothing but [DONE] may be missing behind a finish reason
        for event in answer.events:
            if event.data == "[DONE]" or any(
                    choice.get("finish_reason")
                    for choice in event.json.get("choices", [])):
                return None
        return "a clean end without [DONE]"

    def same_bytes(self, what, answer, asked):
        """Against any of the models that may have answered."""
        dialect = PROVIDERS[asked["model"]][0]
        model = "claude-m" if dialect == "anthropic" else "gpt"
        whole, stream = whole_and_stream(dialect)
        sent = {**asked, "model": model}
        want = b"".join(stream(reply_to(sent), sent)) if asked["stream"] \
            else answers.dump(whole(reply_to(sent), sent))
        self.count["compared"] += 1
        cut = PROVIDERS[asked["model"]][1] \
            and want.startswith(answer.body)    # behind the finish reason
        if answer.body != want and not cut:
            at = len(os.path.commonprefix((answer.body, want)))
            self.blame(what, f"other bytes from {at}: "
                             f"{answer.body[at:at + 80]!r} instead of "
                             f"{want[at:at + 80]!r}")


# -- what goes on meanwhile ---------------------------------------------------

def disturb(gw, remotes, seconds):
    """Reloads, and freezes one provider, until the time is over."""
    end = time.monotonic() + seconds
    reloads = freezes = 0
    masters = []
    while time.monotonic() < end:
        time.sleep(min(EVERY / 2, max(0.1, end - time.monotonic())))
        frozen = random.random() < 0.4
        if frozen:
            freezes += 1
            remotes["icy"].signal(signal.SIGSTOP)
        time.sleep(min(EVERY / 2, max(0.1, end - time.monotonic())))
        reloads += 1
        gw.reload(server=f"location = /r{reloads} {{ return 204; }}")
        masters.append(gw.rss(gw.master))
        if frozen:
            remotes["icy"].signal(signal.SIGCONT)
    return reloads, freezes, masters


def settle(gw):
    wait_for(lambda: not gw.workers(leaving=True), 40, "old workers to end")
    wait_for(lambda: gw.metrics().sum("llm_requests_in_flight") == 0, 20,
             "no request in flight")
    time.sleep(0.5)


def flat(gw, seconds):
    """Growth of the workers between two equal loads without reloads."""
    seen = []
    for _ in range(3):
        callers = Callers(gw, 8, ("steady", "claude", "wild"))
        callers.start()
        time.sleep(seconds)
        callers.stop()
        settle(gw)
        pids = gw.workers()
        seen.append((max(map(gw.rss, pids)), max(map(gw.fds, pids)), callers))
    return seen


def soak(seconds, workers, threads, prefix):
    remotes = {name: Remote(name) for name in PROVIDERS}
    config = Config(
        http="".join(r.upstream() for r in remotes.values()) + ROUTES,
        workers=workers)
    gw = Gateway(prefix, config, authority=None,
                 providers=list(remotes.values()))
    gw.secret(PROMPT, CALLER)
    problems = []
    try:
        gw.start()
        callers = Callers(gw, threads).start()
        reloads, freezes, masters = disturb(gw, remotes, seconds)
        callers.stop()
        settle(gw)
        loads = flat(gw, max(3.0, min(seconds / 10, 15)))
    except AssertionError as error:
        return [str(error)], collections.Counter()
    finally:
        for remote in remotes.values():
            remote.signal(signal.SIGCONT)
        problems += gw.finish(lambda: None)
        for remote in remotes.values():
            remote.process.terminate()
    for each in [callers, *(load[2] for load in loads)]:
        problems += each.wrong
    (_, _, _), (rss, fds, _), (rss_end, fds_end, _) = loads
    if rss_end > rss + (1 << 20):
        problems.append(f"a worker grew from {rss >> 10} to "
                        f"{rss_end >> 10} KB")
    if fds_end > fds + 8:
        problems.append(f"descriptors of a worker: {fds}, then {fds_end}")
    early = masters[min(2, len(masters) - 1)]
    if masters[-1] > early + (2 << 20):
        problems.append(f"the master grew from {early >> 10} to "
                        f"{masters[-1] >> 10} KB in {reloads} reloads")
    if not callers.count["complete"]:
        problems.append("nothing was ever complete")
    callers.count.update(reloads=reloads, freezes=freezes)
    print(f"workers {rss >> 10} -> {rss_end >> 10} KB, {fds} -> {fds_end} "
          f"descriptors; master {early >> 10} -> {masters[-1] >> 10} KB")
    return problems, callers.count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, metavar="DIR",
                        help="leave nginx's files and logs there")
    opt = parser.parse_args()
    random.seed(opt.seed)
    multiprocessing.set_start_method("fork")
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        problems, count = soak(opt.seconds, opt.workers, opt.threads,
                               opt.keep or Path(directory))
    print(", ".join(f"{n} {what}" for what, n in sorted(count.items())))
    alike = collections.Counter(re.sub(r"\d+", "N", problem[:120])
                                for problem in problems)
    for like, n in alike.most_common(20):
        print(f"PROBLEM, {n} times: " + next(
            p for p in problems if re.sub(r"\d+", "N", p[:120]) == like))
    print(f"{len(problems)} problems" if problems else "all invariants hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
