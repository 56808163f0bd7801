"""What follows from a broken rule: the same model again, a text in place of
the answer, repair; and rules that know the request."""

from __future__ import annotations

import json

import pytest

from harness import Reply, Tool, anthropic_wire, openai_wire
from test_rules import (CALLERS, MAIL, PATHS, SCHEMA, SECRET, Halves, ask,
                        counted, error_of, logged, question, ruled, said,
                        stream_text, text_of, whole_text)

__all__ = ["ruled"]
STREAM = pytest.mark.parametrize("stream", [False, True])
GOOD = '{"n": 1}'
BAD = '{"n": "one"}'


def in_turn(*replies):
    """A script that gives one reply after the other, then the last again."""
    left = list(replies)

    def script(x):
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(x)
    return script


def dialect_of(caller):
    return openai_wire if caller == "openai" else anthropic_wire


# -- retry --------------------------------------------------------------------

@CALLERS
@STREAM
def test_retry_tells_the_model(ruled, caller, stream):
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=retry; hold all;",
                      Reply(), schema=SCHEMA, dialects=[caller])
    wire = dialect_of(caller)
    up(in_turn(wire.server(Reply(text=BAD, piece=3)),
               wire.server(Reply(text=GOOD, piece=3))))
    answer = ask(gw, caller, stream)
    assert answer.status == 200
    assert said(answer, caller, stream) == GOOD
    first, second = [r.json["messages"] for r in up.requests]
    assert second[:-2] == first
    assert second[-2] == {"role": "assistant",
                          "content": BAD if not stream else second[-2][
                              "content"]}
    assert BAD.startswith(second[-2]["content"])
    assert second[-1]["role"] == "user"
    assert "JSON Schema" in second[-1]["content"]
    assert '"type"' in second[-1]["content"]
    assert answer.header("x-llm-checks") == "strict.json=retry"
    counted(gw, "strict.json", "retry")


def test_retry_is_bounded_then_next(ruled):
    """Two tries at the first, then the other target, which is not told."""
    gw, ups = ruled("output json schema=SCHEMA on_fail=retry=2;",
                    Reply(text=BAD), Reply(text=GOOD), schema=SCHEMA)
    answer = ask(gw)
    assert whole_text(answer) == GOOD
    assert [len(up.requests) for up in ups] == [3, 1]
    assert len(ups[1].last.json["messages"]) == 1
    assert len(ups[0].last.json["messages"]) == 3
    assert answer.header("x-llm-checks") \
        == "strict.json=retry, strict.json=retry, strict.json=next"


def test_retry_then_stop(ruled):
    gw, (up,) = ruled("output deny match=secrets on_fail=retry;",
                      Reply(text=SECRET))
    answer = ask(gw)
    assert answer.status == 502
    assert answer.json["error"]["code"] == "answer_refused"
    assert len(up.requests) == 2
    assert logged(gw) == "strict.deny=retry, strict.deny=stop"


def test_retry_after_the_first_byte_stops(ruled):
    halves = Halves(openai_wire.chat_stream(Reply(text=BAD, piece=3),
                                            {"model": "m"}), 3)
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=retry;", halves,
                      schema=SCHEMA)
    answer = halves.ask(gw, PATHS["openai"], question(True))
    assert "strict.json" in error_of(answer)["message"]
    assert len(up.requests) == 1


def test_retry_translated(ruled):
    """The turns are the caller's API's, and become the provider's."""
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=retry;", Reply(),
                      schema=SCHEMA, dialects=["anthropic"])
    up(in_turn(anthropic_wire.server(Reply(text=BAD)),
               anthropic_wire.server(Reply(text=GOOD))))
    assert whole_text(ask(gw)) == GOOD
    assert [m["role"] for m in up.last.json["messages"]] \
        == ["user", "assistant", "user"]


# -- replace ------------------------------------------------------------------

@CALLERS
@STREAM
def test_replace(ruled, caller, stream):
    gw, _ = ruled('output deny match=secrets on_fail=replace '
                  '"with=Not \\"that\\"."; hold all;'.replace('\\"', "'"),
                  Reply(text=f"the key is {SECRET}", piece=5),
                  dialects=[caller])
    answer = ask(gw, caller, stream)
    assert answer.status == 200
    assert said(answer, caller, stream) == "Not 'that'."
    assert SECRET not in text_of(answer) and answer.complete
    assert answer.header("x-llm-checks") == "strict.deny=replace"
    reason = {"openai": "content_filter", "anthropic": "refusal"}[caller]
    assert reason in text_of(answer)
    counted(gw, "strict.deny", "replace")


@CALLERS
def test_replace_the_rest(ruled, caller):
    """Behind what has gone out: the text, and the stream's proper end."""
    words = "These words come first, many of them, and are harmless. "
    wire = openai_wire.chat_stream if caller == "openai" \
        else anthropic_wire.message_stream
    halves = Halves(wire(Reply(text=words * 4 + SECRET + " and more",
                               piece=6), {"model": "m"}), 20)
    gw, _ = ruled("output deny match=secrets.aws on_fail=replace with=END;",
                  halves, dialects=[caller])
    answer = halves.ask(gw, PATHS[caller], question(True))
    text = stream_text(answer, caller)
    assert text.endswith("END") and (words * 4).startswith(text[:-3])
    assert answer.complete and error_of(answer) is None
    last = [e for e in answer.events][-1]
    assert last.data == "[DONE]" or last.json["type"] == "message_stop"
    assert SECRET not in text_of(answer)
    counted(gw, "strict.deny", "replace")
    assert gw.ledger()[-1]["llm_checks"] == "strict.deny=replace"


@pytest.mark.parametrize("caller", ["openai", "anthropic"])
def test_replace_by_the_sdk(ruled, caller):
    gw, _ = ruled("output deny match=secrets on_fail=replace with=END;",
                  Reply(text="words " * 30 + SECRET + " x", piece=9),
                  dialects=[caller])
    if caller == "openai":
        stream = gw.openai().chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}],
            stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in stream
                       if c.choices)
    else:
        with gw.anthropic().messages.stream(
                model="m", max_tokens=50,
                messages=[{"role": "user", "content": "hi"}]) as stream:
            text = stream.get_final_text()
    assert text.endswith("END") and SECRET not in text


# -- repair -------------------------------------------------------------------

@CALLERS
@STREAM
@pytest.mark.parametrize("text", [
    'Here: ```json\n{"n": 1}\n``` Bye.', '{"n": 1', '{"n": 1,'])
def test_repair(ruled, caller, stream, text):
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=repair;",
                      Reply(text=text, piece=2), schema=SCHEMA,
                      dialects=[caller])
    answer = ask(gw, caller, stream)
    assert json.loads(said(answer, caller, stream)) == {"n": 1}
    assert answer.complete and error_of(answer) is None
    assert len(up.requests) == 1
    counted(gw, "strict.json", "repair")
    assert logged(gw) == "strict.json=repair"


def test_repair_changes_nothing_that_is_right(ruled):
    gw, _ = ruled("output json schema=SCHEMA on_fail=repair;",
                  Reply(text=GOOD), schema=SCHEMA)
    assert ask(gw).header("x-llm-checks") == "pass"


def test_repair_asks_again(ruled):
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=repair;", Reply(),
                      schema=SCHEMA)
    up(in_turn(openai_wire.server(Reply(text="I would rather not.")),
               openai_wire.server(Reply(text=f"```\n{GOOD}\n```"))))
    answer = ask(gw)
    assert whole_text(answer) == GOOD
    assert answer.header("x-llm-checks") \
        == "strict.json=retry, strict.json=repair"
    assert len(up.requests) == 2


# -- structured output by the official client ---------------------------------

def test_sdk_gets_valid_documents_or_an_error(ruled):
    """Of answers that are sometimes wrong a caller sees valid documents or a
    clear error; what was done is counted."""
    pydantic = pytest.importorskip("pydantic")
    openai = pytest.importorskip("openai")

    class Answer(pydantic.BaseModel):
        n: int

    replies = [GOOD, BAD, GOOD, f"```json\n{GOOD}\n```", '{"n": 1', BAD, BAD,
               GOOD]
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=repair;", Reply(),
                      schema=SCHEMA)
    up(in_turn(*[openai_wire.server(Reply(text=t)) for t in replies]))
    client = gw.openai()
    results = []
    for _ in range(6):
        try:
            parsed = client.chat.completions.parse(
                model="m", messages=[{"role": "user", "content": "hi"}],
                response_format=Answer)
            results.append(parsed.choices[0].message.parsed.n)
        except openai.APIStatusError as e:
            results.append(e.code)
    # good; bad, told, good; fences; cut; bad, told, bad; good
    assert results == [1, 1, 1, 1, "answer_refused", 1]
    counted(gw, "strict.json", "retry", 2)
    counted(gw, "strict.json", "repair", 2)
    counted(gw, "strict.json", "stop", 1)
    assert len(up.requests) == 8


# -- tools, language, ground, tokens ------------------------------------------

TOOLS = {"openai": [{"type": "function", "function": {
             "name": "f", "parameters": SCHEMA}}],
         "anthropic": [{"name": "f", "input_schema": SCHEMA}]}


@CALLERS
@STREAM
def test_tools(ruled, caller, stream):
    gw, ups = ruled("output tools; hold all;",
                    Reply(text=None, tools=[Tool("f", BAD)], piece=3),
                    Reply(text=None, tools=[Tool("f", GOOD)], piece=3),
                    dialects=[caller, caller])
    answer = ask(gw, caller, stream, tools=TOOLS[caller])
    assert answer.status == 200
    assert answer.header("x-llm-checks") == "strict.tools=next"
    assert [len(up.requests) for up in ups] == [1, 1]


def test_unknown_tool(ruled):
    gw, _ = ruled("output tools;", Reply(text=None, tools=[Tool("g", GOOD)]))
    assert ask(gw, tools=TOOLS["openai"]).status == 502


def test_language_and_ground(ruled):
    gw, (up,) = ruled("output language is=en,de on_fail=stop; "
                      "output ground min=0.6;", Reply())
    context = [{"role": "user", "content": "The shop opens at 9 in the "
                "morning, and closes at 18. When is the shop open?"}]
    for text, status, checks in [
            ("The shop opens at 9, and it closes at 18.", 200, "pass"),
            ("The shop opens at 7 and has been there for 12 years.", 200,
             "strict.ground=mark"),
            ("Le magasin ouvre dans la matin\u00e9e pour les clients qui "
             "sont une partie de la ville.", 502, "strict.language=stop")]:
        up(openai_wire.server(Reply(text=text)))
        answer = ask(gw, messages=context)
        assert answer.status == status
        assert answer.header("x-llm-checks") == checks


def test_tokens(ruled):
    gw, (up,) = ruled("output tokens max=20; hold all;",
                      Reply(text="word " * 60))
    assert ask(gw).status == 502
    assert ask(gw, stream=True).status == 502
    up(openai_wire.server(Reply(text="a few words")))
    assert ask(gw).status == 200


# -- values that are put back -------------------------------------------------

@CALLERS
@STREAM
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_reversible(ruled, caller, stream, dialect):
    """The provider never sees the address; the caller never sees that."""
    gw, (up,) = ruled("input redact match=email reversible; "
                      "output redact match=email;", Reply(),
                      dialects=[dialect])

    def script(x):
        told = x.request.json["messages"][-1]["content"]
        told = told if isinstance(told, str) else told[0]["text"]
        assert "@" not in told
        return dialect_of(dialect).server(
            Reply(text=f"I wrote: {told} and to c@d.org.", piece=2))(x)
    up(script)
    answer = ask(gw, caller, stream, messages=[
        {"role": "user", "content": f"{MAIL} and {MAIL}, [EMAIL_1] x@y.org"}])
    assert answer.status == 200
    assert said(answer, caller, stream) \
        == f"I wrote: {MAIL} and {MAIL}, [EMAIL_1] x@y.org and to [REDACTED]."
    assert MAIL.encode() not in up.last.body
    assert MAIL not in gw.error_log()


def test_reversible_without_output_rules(ruled):
    gw, (up,) = ruled("input redact match=email reversible;",
                      Reply(text=None, tools=[
                          Tool("send", '{"to": "[EMAIL_1]"}')], piece=3))
    answer = ask(gw, messages=[{"role": "user", "content": f"to {MAIL}"}])
    call = answer.json["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"to": MAIL}
    assert "[EMAIL_1]" in up.last.body.decode()
    assert ask(gw).json["choices"][0]["message"]["tool_calls"][0][
        "function"]["arguments"] == '{"to": "[EMAIL_1]"}'


# -- a budget's end while a rule holds text back ------------------------------

def test_quota_ends_a_stream_that_is_held_back(ruled):
    """The limit's end is the stream's, and what a rule holds goes before: a
    caller gets no less than with a rule that holds nothing."""
    text = "4111 1111 1111 " * 200
    seen = []
    for rule in ("mark match=email", "redact match=card"):
        gw, _ = ruled(
            f"output {rule};", Reply(text=text, piece=8),
            http="llm_quota tight key=$remote_addr tokens=60/day;\n",
            lines=["limit tight;"])
        answer = ask(gw, stream=True, max_tokens=1000)
        seen.append(stream_text(answer))
        assert answer.complete and error_of(answer) is None
        assert answer.events[-1].data == "[DONE]"
        finish = [e.json["choices"][0]["finish_reason"] for e in answer.events
                  if e.data != "[DONE]" and e.json.get("choices")]
        assert finish[-1] == "length"
    assert text.startswith(seen[0]) and 0 < len(seen[0]) < len(text)
    assert seen[1] == seen[0]


def test_quota_ends_a_stream_that_a_rule_refuses(ruled):
    """What the rule would not have let pass does not pass at that end."""
    gw, _ = ruled(
        'output require "regex=THE END$" on_fail=stop;',
        Reply(text="words " * 300, piece=6),
        http="llm_quota tight key=$remote_addr tokens=60/day;\n",
        lines=["limit tight;"])
    answer = ask(gw, stream=True, max_tokens=1000)
    assert answer.complete
    assert "strict.require" in error_of(answer)["message"]


# -- patterns that Hyperscan does not have ------------------------------------

@STREAM
def test_look_around(ruled, stream):
    gw, _ = ruled('output redact "regex=(?<=pass )\\w{3,10}(?= word)" '
                  'with=[GONE];', Reply(text="the pass sesame word, pass on",
                                        piece=4))
    assert said(ask(gw, stream=stream), "openai", stream) \
        == "the pass [GONE] word, pass on"


@pytest.mark.parametrize("rules, error", [
    ("output json on_fail=retry=9;", 'invalid "on_fail=retry=9"'),
    ("output deny match=email on_fail=repair;", 'invalid "on_fail=repair"'),
    ("output deny match=email with=x;", '"on_fail=replace"'),
    ("output language;", "has no language"),
    ("output language is=xx;", 'unknown language "xx"'),
    ("output ground;", "has no bound"),
    ("output ground min=2;", 'invalid "min=2"'),
    ("output tokens;", "has no bound"),
    ("output redact match=email reversible;", "invalid parameter"),
    ('output deny "regex=(?<=a{300})b";', "looks back"),
])
def test_bad_rules(gateway, provider, rules, error):
    from test_rules import PACKS
    from harness.nginx import route
    up = provider(Reply())
    gw = gateway(start=False, http=PACKS + up.upstream("up")
                 + f"llm_rules strict {{ {rules} }}\n"
                 + route("target up;", "rules strict;"))
    check = gw.check()
    assert not check.ok
    assert error in check.stderr
