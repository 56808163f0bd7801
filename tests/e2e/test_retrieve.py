"""Contexts from an index: documents, prompts, bounds, and what can fail."""

from __future__ import annotations

import json
import threading

import pytest

from harness import Reply, openai_wire, route, wait_for
from harness.embedder import Embedder
from harness.openapi import Admin

CHAT = "/v1/chat/completions"
PROMPT = {
    "messages": [
        {"role": "system", "content":
            "Answer from these only:"
            "{{#context}}\n<source id=\"{{id}}\">{{text}}</source>"
            "{{/context}}{{^context}} nothing{{/context}}"},
        "{{>messages}}"]}
REFUND = "Refunds are paid within fourteen days. Keep the receipt."
SHIPPING = "Shipping to Norway takes nine days by boat."
DOCS = [{"id": "policies/refund.md", "title": "Refunds", "text": REFUND,
         "url": "https://example.com/refunds?a=1,2"},
        {"id": "policies/shipping.md", "text": SHIPPING,
         "metadata": {"tenant": "acme"}}]


class Index:
    """A gateway with an index, and what stands around it."""

    def __init__(self, gw, up, embedder, server):
        self.gw, self.up, self.embedder = gw, up, embedder
        self.server, self.admin = server, Admin(gw)

    def put(self, *docs, **args):
        return self.admin.put("indexes/kb/documents",
                              {"documents": list(docs)}, **args)

    def lines(self, text, **args):
        return self.admin.put(
            "indexes/kb/documents", text.encode(),
            headers=[("Content-Type", "application/x-ndjson")], **args)

    def get(self):
        return self.admin.get("indexes/kb").json["index"]

    def idle(self):
        """All that was put has been done."""
        wait_for(lambda: not (self.get()["documents"]["pending"]
                              or self.get()["documents"]["deleting"]), 20)

    def load(self, *docs):
        answer = self.put(*docs)
        assert answer.status == 202, answer.body
        self.idle()

    @property
    def texts(self):
        """All that was embedded."""
        return [text for batch in self.embedder.asked for text in batch]

    def elements(self):
        return [e for key in self.server.do("KEYS", "llm:v:*")
                for e in self.server.do("VRANDMEMBER", key, 5000)]

    def ask(self, text="How long do refunds take?", headers=(), **members):
        return self.gw.post(CHAT, {
            "model": "m", "messages": [{"role": "user", "content": text}],
            **members}, headers=headers)

    def system(self):
        """The system message that the provider got last."""
        return self.up.last.json["messages"][0]["content"]


@pytest.fixture
def index(gateway, provider, redis8, redis, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(PROMPT))

    def make(words="timeout=5s", lines=(), http="", conf="", server=None,
             script=None, **parts):
        server = server or redis8()
        up = provider(script or openai_wire.server(Reply(text="Fine.")))
        embedder = Embedder()
        near = provider(embedder)
        gw = gateway(
            http=up.upstream("up") + near.upstream("near")
            + server.directive() + f"""
            llm_prompt p 1 {tmp_path}/p.json;
            llm_index kb embed=near/e {conf};
            {http}""" + route("target up/m;", "prompt p@1;",
                              f"retrieve kb {words};", *lines),
            server="location /llm/ { llm_admin write; "
                   "client_max_body_size 8m; }", **parts)
        wait_for(lambda: b"llm_redis_up 1" in gw.fetch_metrics().body)
        made = Index(gw, up, embedder, server)
        wait_for(lambda: made.admin.get("indexes").json["indexes"][0]
                 ["vectors"] != "unknown")
        return made
    return make


def test_a_prompt_gets_its_context(index):
    kb = index()
    kb.load(*DOCS)
    answer = kb.ask()
    assert answer.status == 200, answer.body
    system = kb.system()
    assert f'<source id="policies/refund.md">{REFUND}</source>' in system
    assert system.index("refund.md") < system.index("shipping.md")
    first, second = answer.header("x-llm-sources").split(", ")
    assert first.startswith("policies/refund.md;chunk=0;score=0.")
    assert first.endswith(";url=https://example.com/refunds?a=1%2C2")
    assert second.startswith("policies/shipping.md;chunk=0;score=0.")
    assert kb.get()["documents"]["ready"] == 2
    page = kb.gw.fetch_metrics().body.decode()
    assert 'llm_retrievals_total{index="kb",result="found"} 1' in page
    assert 'llm_index_chunks_total{index="kb"} 2' in page
