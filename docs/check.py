#!/usr/bin/env python3
"""Holds the documentation against the source, both ways.

What the source has must have its section, and what has a section must be in
the source: directives with the places where they may stand, words of
llm_route{}, parameters, variables, response headers, calls of the admin API.
The metrics are read from the page of a gateway that has answered a few
requests.  All examples pass nginx -t.

    make docs-check
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "ngx_llmops_module"
NGINX = os.environ.get("LLMOPS_NGINX") or shutil.which(
    "nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
MODULE = Path(os.environ.get("LLMOPS_MODULE",
                             ROOT / "build" / "ngx_llmops_module.so"))

PLACES = {
    "NGX_HTTP_MAIN_CONF": "http", "NGX_HTTP_SRV_CONF": "server",
    "NGX_HTTP_LOC_CONF": "location", "NGX_HTTP_LIF_CONF": "if in location",
    "NGX_HTTP_UPS_CONF": "upstream", "NGX_LLMOPS_ROUTE_CONF": "llm_route",
    "NGX_LLMOPS_RULES_CONF": "llm_rules",
}

passed = failed = 0


def check(what: str, problem: str = "") -> None:
    global passed, failed
    if problem:
        failed += 1
        print(f"FAILED  {what}: {problem}")
    else:
        passed += 1


def same(what: str, source: set[str], docs: set[str]) -> None:
    """One check for each name that either of the two has."""
    for name in sorted(source | docs):
        if name not in docs:
            check(f"{what} {name}", "not in the documentation")
        elif name not in source:
            check(f"{what} {name}", "not in the source")
        else:
            check(f"{what} {name}")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def sources(*rooms: str) -> str:
    files = sorted(path for room in (rooms or ("*",))
                   for path in SOURCE.glob(f"{room}/*.[ch]"))
    return "\n".join(read(path) for path in files)


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def sections(text: str, level: str = "###") -> dict[str, str]:
    """Heading: the text below it, for headings of that level."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.M)
    named = {}
    for heading, body in zip(parts[1::2], parts[2::2]):
        named[heading.strip("` \\")] = re.split(r"^#{1,3} ", body,
                                                flags=re.M)[0]
    return named


# -- directives ----------------------------------------------------------------

def directives_of_source() -> dict[str, set[str]]:
    """Name (the words of blocks as "llm_route/word"): places."""
    text = without_comments(sources()).replace("\\\n", "\n")
    found: dict[str, set[str]] = {}
    for name, flags in re.findall(
            r'\{\s*ngx_string\("(\w+)"\),\s*((?:NGX_\w+\s*\|?\s*)+),', text):
        places = {PLACES[flag] for flag in re.findall(r"NGX_\w+", flags)
                  if flag in PLACES}
        if places and places <= {"llm_route", "llm_rules"}:
            name = f"{min(places)}/{name}"
        if places:
            found.setdefault(name, set()).update(places)
    for name in re.findall(
            r'NGX_LLMOPS_PROVIDER_(?:COMMAND|SLOT)\("(\w+)"', text):
        found.setdefault(name, set()).add("upstream")
    return found


def directives_of_docs() -> dict[str, str]:
    text = read(DOCS / "directives.md")
    found = dict(sections(text))
    for name, body in sections(text, "####").items():
        block = field(body, "Context").split(",")[0]
        found[f"{block}/{name}"] = body
    return found


def field(body: str, name: str) -> str:
    found = re.search(rf"^\*\*{name}:?\*\* *(.*?) *\\?$", body, re.M)
    return found[1] if found else ""


def check_directives() -> None:
    source, docs = directives_of_source(), directives_of_docs()
    same("directive", set(source), set(docs))
    listed = set(re.findall(r"^- \[`?(\w+)`?\]", read(DOCS / "directives.md"),
                            re.M))
    same("listed directive", {n for n in docs if "/" not in n}, listed)
    for name in sorted(set(source) & set(docs)):
        body, word = docs[name], name.split("/")[-1]
        for part in ("Syntax", "Default", "Context"):
            check(f"{name}: {part}", "" if field(body, part) else "missing")
        syntax = field(body, "Syntax")
        if word not in syntax:
            check(f"{name}: Syntax", f"does not name it: {syntax}")
        places = {place.strip(" `") for place in
                  field(body, "Context").split(",")}
        check(f"{name}: Context", "" if places == source[name] else
              f"{sorted(places)}, in the source {sorted(source[name])}")


def check_parameters() -> None:
    """Each "name=" that the parsers compare with is in some Syntax."""
    text = without_comments(sources(*(
        room.name for room in SOURCE.iterdir()
        if room.name not in ("dialect", "ops"))))
    text += "".join(read(path) for path in SOURCE.glob("ops/*price*.c"))
    known = set(re.findall(r'"(\w+)="', text))
    known |= set(re.findall(r'ngx_llmops_arg_is\(&?\w+, "(\w+)"\)', text))
    known |= set(re.findall(
        r'ngx_string\("(\w+)"\),\s*offsetof\(ngx_llmops_provider_t', text))
    told = set()
    for body in directives_of_docs().values():
        told |= set(re.findall(r"(?<![\w$])(\w+)=", body))
    for name in sorted(known - told):
        check(f"parameter {name}=", "not in directives.md")
    for name in sorted(known & told):
        check(f"parameter {name}=")
    for word in re.findall(r'ngx_string\("(\w+)"\), NGX_LLMOPS_(?:ON|SELECT)_',
                           text):
        check(f"word {word}", "" if f"`{word}`" in
              read(DOCS / "directives.md") else "not in directives.md")


# -- variables, headers, metrics -----------------------------------------------

def check_variables() -> None:
    text = "\n".join(read(path) for path in SOURCE.glob("*/*variables*.c"))
    names = set(re.findall(r'ngx_\w+\("(llm_\w+)"[,)]',
                           without_comments(text)))
    # "$llm_claim_" and what follows, as nginx.org has $http_name
    names = {name + "name" if name.endswith("_") else name for name in names}
    docs = {name.strip("$`") for name in sections(read(DOCS / "variables.md"))}
    same("variable", names, docs)


def check_headers() -> None:
    text = without_comments(sources())
    names = {name.lower() for name in re.findall(r'"(x-llm-[a-z-]+[a-z])"',
                                                 text, re.I)}
    docs = {name for name in sections(read(DOCS / "headers.md"))
            if name.startswith("x-llm-")}
    same("header", names, docs)


# -- the admin API -------------------------------------------------------------

def check_api() -> None:
    """openapi.json, the page and the tables of rows have the same calls."""
    paths = json.loads(read(DOCS / "openapi.json"))["paths"]
    told, arguments = {}, {}
    for path, item in paths.items():
        for method in ("get", "post", "put", "delete"):
            if method not in item:
                continue
            name = f"{method.upper()} {path.lstrip('/')}"
            told[name] = item[method]["operationId"]
            arguments[name] = {
                p.get("name") or p["$ref"].split("/")[-1].lower()
                for p in item[method].get("parameters", [])
                if p.get("in", "query") == "query"
                and not p.get("$ref", "").endswith(("Action", "IfMatch"))}

    pages = {name: body for name, body in
             sections(read(DOCS / "admin-api.md")).items()
             if re.match("(GET|POST|PUT|DELETE) ", name)}
    same("call", set(told), set(pages))
    for name in sorted(set(told) & set(pages)):
        for argument in sorted(arguments[name]):
            check(f"{name}: argument {argument}",
                  "" if f"`{argument}`" in pages[name] else
                  "not on the page")

    rows, queries = {}, {}
    for method, path, name, query in re.findall(
            r'\{ NGX_HTTP_(\w+), "([^"]+)", "(\w+)",\s+(NULL|"[^"]*")',
            without_comments(sources("ops"))):
        rows[f"{method} {path}"] = name
        queries[f"{method} {path}"] = set(query.strip('"').split()) - {"NULL"}
    same("row of the API", set(rows),
         {re.sub(r"\{\w+\}", "{}", name) for name in told})
    for name in sorted(told):
        row = re.sub(r"\{\w+\}", "{}", name)
        if row in rows:
            check(f"{name}: operationId", "" if rows[row] == told[name] else
                  f"{told[name]}, in the source {rows[row]}")
            check(f"{name}: arguments", "" if queries[row] == arguments[name]
                  else f"{sorted(arguments[name])}, in the source "
                       f"{sorted(queries[row])}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def fetch(url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, {
        "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()


def check_metrics(run: Path) -> None:
    """The names and labels that a gateway shows after some requests."""
    port = free_port()
    conf = prepare(DOCS / "examples" / "quickstart.conf", run)
    conf.write_text(read(conf).replace("8080", str(port)))
    nginx = subprocess.Popen(
        [NGINX, "-p", str(run), "-c", str(conf), "-e", "stderr",
         "-g", "daemon off;" + user()],
        stderr=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    chat = '{"model":"%s","messages":[{"role":"user","content":"hi"}]%s}'
    try:
        for _ in range(100):
            try:
                fetch(url + "/metrics")
                break
            except OSError:
                time.sleep(0.02)
        for model, more in (("mock", ""), ("mock", ',"stream":true'),
                            ("error-429", ""), ("cut", ',"stream":true')):
            try:
                fetch(url + "/v1/chat/completions",
                    (chat % (model, more)).encode())
            except OSError:
                pass
        fetch(url + "/v1/chat/completions", b"{")
        time.sleep(0.05)
        page = fetch(url + "/metrics").decode()
    finally:
        nginx.send_signal(signal.SIGQUIT)
        nginx.wait(10)

    shown = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    docs = sections(read(DOCS / "metrics.md").split("\n## Labels")[0])
    told = {name: body for name, body in docs.items()
            if re.match(r"(gen_ai|llm)_", name)}
    same("metric", set(shown), set(told))
    for name in sorted(set(shown) & set(told)):
        kind = field(told[name], "Type")
        check(f"metric {name}: Type", "" if kind == shown[name] else
              f"{kind}, on the page {shown[name]}")
        labels = set()
        for text in re.findall(rf"^{name}(?:_bucket|_sum|_count)?{{(.*?)}} ",
                               page, re.M):
            labels |= set(re.findall(r"(\w+)=\"", text))
        labels -= {"le"}
        listed = set(re.findall(r"`(\w+)`", field(told[name], "Labels")))
        check(f"metric {name}: Labels", "" if labels <= listed else
              f"the page also has {sorted(labels - listed)}")


# -- examples ------------------------------------------------------------------

def user() -> str:
    return " user root;" if os.geteuid() == 0 else ""


def prepare(conf: Path, run: Path) -> Path:
    """A copy that runs from a prefix of its own."""
    (run / "modules").mkdir(parents=True, exist_ok=True)
    for name in ("logs", "temp"):
        (run / name).mkdir(exist_ok=True)
    link = run / "modules" / MODULE.name
    if not link.exists():
        link.symlink_to(MODULE)
    for extra in conf.parent.glob("*.d"):
        shutil.copytree(extra, run / extra.name, dirs_exist_ok=True)
    for extra in conf.parent.glob("*.json"):
        shutil.copy(extra, run / extra.name)
    copy = run / conf.name
    text = read(conf)
    if "events {" not in text:          # a part of http{}
        text = ("load_module modules/ngx_llmops_module.so;\nevents {}\n"
                "http {\n" + text + "\n}\n")
    copy.write_text(text)
    return copy


def database(path: Path) -> Path:
    """The smallest file in MaxMind's format: it knows no address."""
    def text(value: str) -> bytes:
        return bytes([0x40 + len(value)]) + value.encode()

    def integer(kind: int, value: int) -> bytes:
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        size = bytes([(kind << 5 | len(data)) if kind < 8 else len(data)])
        return size + (bytes([kind - 7]) if kind >= 8 else b"") + data

    metadata = {
        "binary_format_major_version": integer(5, 2),
        "binary_format_minor_version": integer(5, 0),
        "build_epoch": integer(9, 1), "database_type": text("Empty"),
        "description": b"\xe0", "ip_version": integer(5, 6),
        "languages": b"\x00\x04", "node_count": integer(6, 1),
        "record_size": integer(5, 24)}
    nowhere = (1).to_bytes(3, "big")
    path.write_bytes(
        2 * nowhere + bytes(16) + b"\xab\xcd\xefMaxMind.com"
        + bytes([0xe0 + len(metadata)])
        + b"".join(text(k) + v for k, v in metadata.items()))
    return path


#: the key of RFC 8037
KEY_SET = ('{"keys": [{"kty": "OKP", "crv": "Ed25519", '
           '"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}')


def check_example(conf: Path, run: Path, name: str = "") -> None:
    copy = prepare(conf, run)
    text = read(copy)
    env = dict(os.environ)
    for key in re.findall(r"\benv:(\w+)", text):
        env[key] = "sk-example-0123456789abcdef0123456789"
    for path in re.findall(r"\bjwks=file:(/[^\s;]+)", text):
        (run / "keys.json").write_text(KEY_SET)
        text = text.replace(path, str(run / "keys.json"))
    for path in re.findall(r"\bllm_keys +(/\S+?);", text):
        text = text.replace(path, str(DOCS / "examples" / "callers.keys"))
    for path in re.findall(r"\bllm_geo +(/\S+?);", text):
        text = text.replace(path, str(database(run / "empty.mmdb")))
    for path in re.findall(r"\bfile:(/\S+?);", text):
        key = run / "keys" / Path(path).name
        key.parent.mkdir(exist_ok=True)
        key.write_text("0123456789abcdef" * 4 + "\n")
        key.chmod(0o600)
        text = text.replace(f"file:{path}", f"file:{key}")
    text = text.replace("/etc/nginx/lua-free-rules", f"{ROOT}/lua-free-rules")
    for path in re.findall(r"\bschema=(/\S+?)[; ]", text):
        shutil.copy(DOCS / "examples" / "answer.schema.json", run)
        text = text.replace(path, str(run / "answer.schema.json"))
    for path in re.findall(r"\bllm_prices +(/\S+?);", text):
        shutil.copy(DOCS / "examples" / "prices.json", run)
        text = text.replace(path, str(run / "prices.json"))
    for path in re.findall(r"\bllm_prompt +\S+ +\S+ +(/\S+?);", text):
        shutil.copy(DOCS / "examples" / "prompts.d" / Path(path).name, run)
        text = text.replace(path, str(run / Path(path).name))
    text = re.sub(r"/(?:var/log/nginx|run)/", f"{run}/", text)
    text = re.sub(r"^load_module .*?;", f"load_module {MODULE};", text,
                  flags=re.M)
    pair = run / "server.pem", run / "server.key"
    text = re.sub(r"(\bssl_client_certificate +)/\S+;", rf"\g<1>{pair[0]};",
                  text)
    for word, path in zip(("certificate", "certificate_key"), pair):
        text = re.sub(rf"(\bssl_{word} +)/\S+;", rf"\g<1>{path};", text)
    if str(pair[0]) in text and not pair[0].exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-subj", "/CN=example", "-keyout", pair[1],
                        "-out", pair[0]], check=True, capture_output=True)
    copy.write_text(text)
    done = subprocess.run([NGINX, "-p", str(run), "-c", str(copy),
                           "-e", "stderr", "-g", user() or "env TZ;",
                           "-t"], capture_output=True, text=True, env=env)
    check(f"example {name or conf.relative_to(ROOT)}",
          "" if done.returncode == 0 else done.stderr.strip())


def snippets() -> list[tuple[str, str]]:
    """The nginx blocks of guides and README that are whole parts of http{}."""
    found = []
    for page in sorted([ROOT / "README.md", *DOCS.glob("**/*.md")]):
        blocks = re.findall(r"^```nginx\n(.*?)^```", read(page), re.M | re.S)
        for number, block in enumerate(blocks, 1):
            if re.search(r"^(upstream|llm_route|server|http) ", block, re.M):
                found.append((f"{page.relative_to(ROOT)} #{number}", block))
    return found


def check_snippets(run: Path) -> None:
    directory = run / "snippets"
    directory.mkdir()
    for number, (name, block) in enumerate(snippets()):
        conf = directory / f"{number}.conf"
        conf.write_text(block)
        names = set(re.findall(r"^upstream (\S+)", block, re.M))
        wanted = set(re.findall(r"^ +(?:target|fallback) +([^/\s;]+)", block,
                                re.M))
        more = "".join(f"upstream {n} {{ llm_dialect mock; }}\n"
                       for n in sorted(wanted - names))
        if "llm_route " not in block:
            more += ("upstream m { llm_dialect mock; }\n"
                     "llm_route r { match *; target m; }\n")
        if "llm_pass" not in block:
            more += "server { listen 127.0.0.1:1; location /x { llm_pass; } }\n"
        if "resolver" not in block:
            more += "resolver 127.0.0.1;\n"
        conf.write_text(block + more)
        before = failed
        check_example(conf, run, name)
        if failed > before:
            print(block)


def check_links() -> None:
    for page in sorted([ROOT / "README.md", *DOCS.glob("**/*.md")]):
        text = read(page)
        anchors = {}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            name = f"link {page.relative_to(ROOT)} -> {target}"
            if not file.exists():
                check(name, "no such file")
                continue
            if anchor and file.suffix == ".md":
                if file not in anchors:
                    anchors[file] = {
                        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-")
                        for h in re.findall(r"^#+ (.+)$", read(file), re.M)}
                check(name, "" if anchor in anchors[file] else "no heading")
            else:
                check(name)


def main() -> int:
    check_directives()
    check_parameters()
    check_variables()
    check_headers()
    check_api()
    check_links()
    with tempfile.TemporaryDirectory() as temp:
        run = Path(temp)
        for number, conf in enumerate(sorted(
                (DOCS / "examples").glob("*.conf"))):
            check_example(conf, run / str(number))
        check_snippets(run)
        check_metrics(run / "metrics")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
