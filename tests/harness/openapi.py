"""The admin API, held against its own description.

    admin = Admin(gw)
    made = admin.post("keys", {"client": "alice"})
    assert made.status == 201

Each answer must be one that docs/openapi.json has for that call: its status,
its type, its body by the schema.  What the gateway accepts must be allowed by
the document, too.
"""

from __future__ import annotations

import functools
import json as jsonlib
import re
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from .client import Response
from .provider import Headers

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
METHODS = ("get", "post", "put", "delete")

#: what nginx or the frame says of any path, below "default" in the document
COMMON = {401, 403, 404, 405, 413, 500}


@functools.cache
def document() -> dict[str, Any]:
    return jsonlib.loads(DOCUMENT.read_text())


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    """What a "$ref" stands for."""
    while "$ref" in value:
        found: Any = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


class Operation:
    def __init__(self, method: str, path: str):
        self.method, self.path = method, path
        item = document()["paths"][path]
        self.told = item[method]
        self.id: str = self.told["operationId"]
        self.parameters = [resolve(p) for p in [*item.get("parameters", []),
                                                *self.told.get("parameters",
                                                               [])]]
        self.responses = {code: resolve(r)
                          for code, r in self.told["responses"].items()}

    def named(self, place: str) -> set[str]:
        return {p["name"] for p in self.parameters if p["in"] == place}

    @property
    def statuses(self) -> set[int]:
        """Those that have an entry of their own."""
        return {int(code) for code in self.responses if code != "default"}

    @property
    def body(self) -> dict[str, Any] | None:
        body = self.told.get("requestBody")
        return resolve(body) if body else None


@functools.cache
def operations() -> dict[tuple[str, str], Operation]:
    return {(method, path): Operation(method, path)
            for path, item in document()["paths"].items()
            for method in METHODS if method in item}


@functools.cache
def templates() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path)
            for path in document()["paths"]]


def find(method: str, path: str) -> Operation | None:
    """The operation of a path below the location."""
    for pattern, template in templates():
        if pattern.fullmatch(path):
            return operations().get((method.lower(), template))
    return None


@functools.cache
def _registry() -> Any:
    resource = Resource(contents=document(), specification=DRAFT202012)
    return Registry().with_resource("urn:api", resource)


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """What a schema of the document has against a value."""
    text = jsonlib.dumps(schema).replace('"#/', '"urn:api#/')
    validator = Draft202012Validator(jsonlib.loads(text),
                                     registry=_registry())
    return [f"{error.json_path}: {error.message}"
            for error in validator.iter_errors(value)]


class Admin:
    """A caller of the API whose every answer is checked."""

    #: operationId and status of all answers that this process has checked
    seen: list[tuple[str, int]] = []

    def __init__(self, gateway: Any, base: str = "/llm",
                 headers: Headers = ()):
        self.gateway, self.base, self.headers = gateway, base, list(headers)

    def call(self, method: str, path: str, value: Any = None, *,
             headers: Headers = (), action: bool = True, **args: Any
             ) -> Response:
        """value: bytes, or what becomes JSON."""
        query = {k: v for k, v in args.items() if v is not None}
        full = f"{self.base}/{path}" + (f"?{urlencode(query)}" if query
                                        else "")
        sent = [*self.headers, *headers]
        if action and method != "GET":
            sent.append(("x-llm-action", "1"))
        body = value if value is None or isinstance(value, bytes) \
            else jsonlib.dumps(value).encode()
        if method in ("POST", "PUT") and body is None:
            sent.append(("Content-Length", "0"))
        response = self.gateway.request(method, full, body, sent)
        self.check(method, path.split("?")[0], response, value)
        return response

    def get(self, path: str, **options: Any) -> Response:
        return self.call("GET", path, **options)

    def post(self, path: str, value: Any = None, **options: Any) -> Response:
        return self.call("POST", path, value, **options)

    def put(self, path: str, value: Any = None, **options: Any) -> Response:
        return self.call("PUT", path, value, **options)

    def delete(self, path: str, **options: Any) -> Response:
        return self.call("DELETE", path, **options)

    def pages(self, path: str, name: str, **args: Any) -> Iterator[Any]:
        """All things of a list."""
        cursor = None
        while True:
            answer = self.get(path, cursor=cursor, **args)
            assert answer.status == 200, answer.body
            yield from answer.json[name]
            cursor = answer.json["next"]
            if cursor is None:
                return

    def check(self, method: str, path: str, response: Response,
              value: Any = None) -> None:
        where = f"{method} {path}: {response.status} {response.body[:500]!r}"
        assert response.complete, where
        assert response.header("cache-control") == "no-store", where
        assert response.header("x-content-type-options") == "nosniff", where
        assert not [name for name, _ in response.headers
                    if name.lower().startswith("access-control-")], where

        operation = find(method, f"/{path}")
        told = None
        if operation:
            self.seen.append((operation.id, response.status))
            told = operation.responses.get(str(response.status))
            if told is None:
                assert response.status in COMMON, f"not documented: {where}"
        else:
            assert response.status in COMMON | {400}, where
        if told is None:
            told = resolve({"$ref": "#/components/responses/Error"})

        kind = (response.header("content-type") or "").split(";")[0]
        content = told["content"].get(kind)
        assert content, f"type {kind} is not documented: {where}"
        if kind == "application/json":
            found = problems(content["schema"], response.json)
            assert not found, f"{where}\n" + "\n".join(found)
        for name, header in told.get("headers", {}).items():
            header = resolve(header)
            said = response.header(name)
            assert said or not header.get("required"), f"no {name}: {where}"
            pattern = header["schema"].get("pattern")
            assert not (said and pattern) or re.search(pattern, said), \
                f"{name}: {said}: {where}"
        if response.status == 405:
            assert response.header("allow"), where

        # what was accepted is what the document allows
        if operation and response.status < 300 and isinstance(value, dict):
            assert operation.body, f"a body is not documented: {where}"
            schema = operation.body["content"]["application/json"]["schema"]
            found = problems(schema, value)
            assert not found, f"{where}\nbody: " + "\n".join(found)


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")
