"""What a worker remembers of bodies and keys never takes one for another."""

from __future__ import annotations

import json
import threading

from harness import Reply, answers, openai_wire, route

CHAT = "/v1/chat/completions"


def counting(said=None):
    """Each answer is another one; or what said(request) makes of it."""
    n = iter(range(10 ** 6))
    lock = threading.Lock()

    def script(x):
        with lock:
            text = said(x.request) if said else f"answer {next(n)}"
        answers.json(openai_wire.chat(Reply(text=text), x.request.json))(x)
    return script


def body(text, **more):
    return json.dumps({"model": "m", "temperature": 0, "messages": [
        {"role": "user", "content": text}], **more}).encode()


def got(response):
    assert response.status == 200
    return (response.header("x-llm-cache"),
            response.json["choices"][0]["message"]["content"])


def test_same_bytes_elsewhere(serve):
    """In another scope, or with a header that a provider heeds."""
    gw, up = serve(counting(), lines=["cache scope=$http_x_scope;"])
    sent = body("hi")
    callers = [[("X-Scope", f"tenant-{i:02}-of-many")] for i in range(30)]
    callers += [[("OpenAI-Beta", b)] for b in ("a", "b", "assistants=v1",
                                               "assistants=v2")]
    callers += [[]]
    first = [got(gw.post(CHAT, sent, c)) for c in callers]
    assert {how for how, _ in first} == {"miss"}
    assert len({text for _, text in first}) == len(callers)
    for _ in range(2):
        again = [got(gw.post(CHAT, sent, c)) for c in callers]
        assert again == [("hit", text) for _, text in first]
    # an argument and another path of the same operation, too
    assert got(gw.post(CHAT + "?api-version=1", sent))[0] == "miss"
    assert got(gw.post(CHAT, sent)) == ("hit", first[-1][1])


def test_one_byte_is_another_body(serve):
    """Wherever it is: also where nothing is looked at to find a body."""
    gw, up = serve(counting(), lines=["cache ttl=1m;"])
    plain = "a" * 3000
    first = got(gw.post(CHAT, body(plain)))
    assert first[0] == "miss"
    for _ in range(3):
        assert got(gw.post(CHAT, body(plain))) == ("hit", first[1])
    texts = {first[1]}
    for at in range(0, 3000, 83):
        how, text = got(gw.post(CHAT, body(plain[:at] + "b"
                                           + plain[at + 1:])))
        assert how == "miss" and text not in texts
        texts.add(text)
    assert got(gw.post(CHAT, body(plain))) == ("hit", first[1])


def test_more_than_are_remembered(serve):
    """Who is forgotten has his own answer all the same."""
    gw, up = serve(counting(), lines=["cache ttl=1m;"])
    client = gw.connect()
    said = [got(client.request("POST", CHAT, body(f"{i:04}")).read())
            for i in range(300)]
    assert {how for how, _ in said} == {"miss"}
    for i, (_, text) in enumerate(said):
        for _ in range(2):
            assert got(client.request("POST", CHAT, body(f"{i:04}")).read()) \
                == ("hit", text)
    assert len(up.requests) == 300


def test_cut_anywhere(serve):
    """A body is the same however it has come."""
    gw, up = serve(counting(), lines=["cache ttl=1m;"])
    sent = body("x" * 1500)
    head = (f"POST {CHAT} HTTP/1.1\r\nHost: gw\r\nContent-Type: application/"
            f"json\r\nContent-Length: {len(sent)}\r\n\r\n").encode()
    texts, ids = set(), set()
    for cut in (0, 1, 31, 32, 33, 700, 1000, len(sent) - 1, len(sent)):
        client = gw.connect()
        client.send(head + sent[:cut])
        # nginx has seen the first part when it answers somebody else
        assert gw.get("/v1/models").status == 200
        client.send(sent[cut:])
        answer = client.read()
        texts.add(got(answer)[1])
        ids.add(answer.json["id"])
    assert len(texts) == 1 and len(ids) == 9
    assert len(up.requests) == 1


def test_reload_with_another_target(serve, gateway, provider):
    """Old workers or new ones: the same bytes have another key."""
    gw, up = serve(counting(lambda request: request.json["model"]),
                   model="first", lines=["cache ttl=1m;"])
    sent = body("hi")
    assert [got(gw.post(CHAT, sent)) for _ in range(3)] \
        == [("miss", "first"), ("hit", "first"), ("hit", "first")]
    gw.reload(http=up.upstream("up") + route("target up/second;",
                                             "cache ttl=1m;"))
    assert [got(gw.post(CHAT, sent)) for _ in range(3)] \
        == [("miss", "second"), ("hit", "second"), ("hit", "second")]


def test_redacted(serve):
    """What counts is what is left of a body, and that is remembered, too."""
    gw, up = serve(
        counting(lambda request: request.json["messages"][0]["content"]),
        lines=["rules r;", "cache ttl=1m;"],
        http="llm_rules r { input redact match=digits; }\n"
             "llm_pattern digits '[0-9]{6}';\n")
    answers_ = [got(gw.post(CHAT, body(text))) for text in
                ("I am 111111", "I am 222222", "I am 111111", "I was 111111",
                 "I am 222222", "I am 222222", "I was 111111",
                 "I am 111111")]
    assert [how for how, _ in answers_] == ["miss", "hit", "hit", "miss",
                                            "hit", "hit", "hit", "hit"]
    assert len({answers_[i] for i in (1, 2, 4, 5, 7)}) == 1
    assert answers_[6][1] == answers_[3][1]
    assert "111111" not in answers_[0][1] and "I was" in answers_[3][1]


def test_refused_ones_are_not_remembered(serve):
    """A body that is not valid is refused each time, for what it is."""
    gw, up = serve(counting(), lines=["cache ttl=1m;"])
    good = body("hi")
    assert got(gw.post(CHAT, good))[0] == "miss"
    for bad in (good[:-1], good + b"x", b"{}", good.replace(b'"m"', b'""'),
                good.replace(b'"model"', b'"model":"n","model"')):
        first, second = (gw.post(CHAT, bad) for _ in range(2))
        assert first.status == second.status == 400
        assert first.json["error"]["message"] \
            == second.json["error"]["message"]
    # another operation reads the same bytes for itself
    assert gw.post("/v1/embeddings", body("hi")).status == 200
    assert got(gw.post(CHAT, good))[0] == "hit"
