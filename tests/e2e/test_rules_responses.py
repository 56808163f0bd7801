"""Rules on answers of the Responses API: its streams tell each text several
times, and its clients read the one or the other."""

from __future__ import annotations

import json

import pytest

from harness import Reply, Tool, answers, openai_wire
from test_rules import (MAIL, SCHEMA, SECRET, Halves, counted, ruled,
                        text_of)
from test_rules_actions import BAD, GOOD, in_turn

__all__ = ["ruled"]
STREAM = pytest.mark.parametrize("stream", [False, True])
TOOLS = [{"type": "function", "name": "f", "parameters": SCHEMA}]


PATH = "/v1/responses"


def question(stream, **more):
    return {"model": "m", "input": "hi", "stream": stream, **more}


def ask(gw, stream=False, **more):
    return gw.post(PATH, question(stream, **more))


def events_of(answer) -> list:
    """Its events, which are numbered without a gap."""
    events = [e.json for e in answer.events]
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert all(e.event == e.json["type"] for e in answer.events)
    return events


def texts_of(events, kind="output_text", member="text") -> set:
    """All that is told of one text, each time that it is."""
    told = {"".join(e["delta"] for e in events
                    if e["type"] == f"response.{kind}.delta")}
    told |= {e[member] for e in events if e["type"] == f"response.{kind}.done"}
    items = [e["item"] for e in events
             if e["type"] == "response.output_item.done"]
    items += events[-1]["response"]["output"]
    for item in items:
        if item["type"] == "message" and kind == "output_text":
            told.add(item["content"][0]["text"])
        elif item["type"] == "reasoning" and kind.startswith("reasoning"):
            told.add(item["summary"][0]["text"])
        elif item["type"] == "function_call" and kind.startswith("function"):
            told.add(item["arguments"])
    return told


def whole_text(answer) -> str:
    return answer.json["output"][-1]["content"][0]["text"]


def in_halves(reply):
    return Halves(openai_wire.response_stream(reply, {"model": "m"}), 12)


def test_redact(ruled):
    """In every place where it is told, by every split, whole and streamed."""
    text = f"a {MAIL} b"
    gw, (up,) = ruled("output redact match=email;", Reply())
    for piece in (1, 3, len(text)):
        stream = openai_wire.response_stream(
            Reply(text=text, thinking=f"ask {MAIL}", piece=piece),
            {"model": "m"})
        for split in (1, 100, 10000):
            up(answers.events(stream, split=split))
            answer = ask(gw, True)
            events = events_of(answer)
            assert answer.complete and MAIL not in text_of(answer)
            assert events[-1]["type"] == "response.completed"
            assert texts_of(events) == {"a [REDACTED] b"}
            assert texts_of(events, "reasoning_summary_text") \
                == {"ask [REDACTED]"}
    up(openai_wire.server(Reply(text=text)))
    answer = ask(gw)
    assert whole_text(answer) == "a [REDACTED] b"
    assert answer.header("x-llm-checks") == "strict.redact=redact"
    # what changes nothing passes byte by byte
    stream = openai_wire.response_stream(Reply(text="plain words. ",
                                               piece=13), {"model": "m"})
    up(answers.events(stream))
    assert ask(gw, True).body == b"".join(stream)


@STREAM
def test_next(ruled, stream):
    """Before the first byte another target answers."""
    gw, ups = ruled("output deny match=secrets on_fail=next; hold all;",
                    Reply(text=f"the key is {SECRET}"), Reply(text="none"))
    answer = ask(gw, stream)
    assert answer.status == 200 and SECRET not in text_of(answer)
    assert (texts_of(events_of(answer)) == {"none"} if stream
            else whole_text(answer) == "none")
    assert [len(up.requests) for up in ups] == [1, 1]
    counted(gw, "strict.deny", "next")


def test_stop_behind_the_first_byte(ruled):
    words = "Words that come first and are harmless. "
    halves = in_halves(Reply(text=words + SECRET + " x", piece=6))
    gw, (up,) = ruled("output deny match=secrets.aws;", halves)
    answer = halves.ask(gw, PATH, question(True))
    kinds = [e.json["type"] for e in answer.events]
    assert kinds[-2:] == ["error", "response.failed"]
    assert "response.output_text.done" not in kinds
    assert "strict.deny" in answer.events[-2].json["message"]
    assert answer.complete and SECRET not in text_of(answer)
    said = "".join(e.json["delta"] for e in answer.events
                   if e.json["type"] == "response.output_text.delta")
    assert said and words.startswith(said)
    # the SDK raises
    openai = pytest.importorskip("openai")
    halves.seen.clear()
    with pytest.raises(openai.APIError):
        for _ in gw.openai().responses.create(model="m", input="hi",
                                              stream=True):
            halves.seen.set()


def test_replace(ruled):
    """The rest of a stream, all of it, and a whole answer."""
    words = "Words that come first and are harmless. "
    halves = in_halves(Reply(text=words + SECRET + " x", piece=6))
    gw, (up,) = ruled("output deny match=secrets.aws on_fail=replace "
                      "with=END;", halves)
    answer = halves.ask(gw, PATH, question(True))
    events = events_of(answer)
    assert answer.complete and SECRET not in text_of(answer)
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"]["reason"] \
        == "content_filter"
    first, second = [item["content"][0]["text"]
                     for item in last["response"]["output"]]
    assert first and words.startswith(first) and second == "END"
    deltas = "".join(e["delta"] for e in events
                     if e["type"] == "response.output_text.delta")
    assert deltas == first + second
    halves.seen.clear()
    kinds = []
    with gw.openai().responses.stream(model="m", input="hi") as stream:
        for event in stream:
            kinds.append(event.type)
            halves.seen.set()
    assert kinds[-1] == "response.incomplete"
    up(openai_wire.server(Reply(text=SECRET + " x")))
    answer = ask(gw, True)
    assert texts_of(events_of(answer)) == {"END"} and answer.complete
    whole = gw.openai().responses.create(model="m", input="hi")
    assert whole.output_text == "END" and whole.status == "incomplete"


@STREAM
def test_tools(ruled, stream):
    gw, (up,) = ruled("output tools; hold all;", Reply())
    reply = Reply(text=None, tools=[Tool("f", GOOD)], piece=3)
    up(openai_wire.server(reply))
    answer = ask(gw, stream, tools=TOOLS)
    assert answer.status == 200
    if stream:
        assert texts_of(events_of(answer), "function_call_arguments",
                        "arguments") == {GOOD}
    for tool in (Tool("f", BAD), Tool("g", GOOD)):
        up(openai_wire.server(reply.but(tools=[tool])))
        assert ask(gw, stream, tools=TOOLS).status == 502


def test_sdk_gets_valid_documents_or_an_error(ruled):
    """responses.parse() and streams of it, against one who is often wrong."""
    pydantic = pytest.importorskip("pydantic")
    openai = pytest.importorskip("openai")

    class Answer(pydantic.BaseModel):
        n: int

    replies = [GOOD, BAD, GOOD, f"```json\n{GOOD}\n```", '{"n": 1', BAD, BAD,
               GOOD, f"Sure: {GOOD}"]
    gw, (up,) = ruled("output json schema=SCHEMA on_fail=repair; hold all;",
                      Reply(), schema=SCHEMA)
    up(in_turn(*[openai_wire.server(Reply(text=t, piece=3))
                 for t in replies]))
    client = gw.openai()
    results = []
    for _ in range(5):
        try:
            parsed = client.responses.parse(model="m", input="hi",
                                            text_format=Answer)
            results.append(parsed.output_parsed.n)
        except openai.APIStatusError as e:
            results.append(e.code)
    for _ in range(2):
        with client.responses.stream(model="m", input="hi",
                                     text_format=Answer) as stream:
            results.append(stream.get_final_response().output_parsed.n)
    # good; bad, told, good; fences; cut; bad, told, bad; good; a sentence
    assert results == [1, 1, 1, 1, "answer_refused", 1, 1]
    counted(gw, "strict.json", "retry", 2)
    counted(gw, "strict.json", "repair", 3)
    assert len(up.requests) == 9
    # the model is told, in the input, which had been a text
    first, told = up.requests[1].json, up.requests[2].json
    assert first["text"]["format"]["type"] == "json_schema"
    assert told["input"][0] == {"role": "user", "content": "hi"}
    assert told["input"][1] == {"role": "assistant", "content": BAD}
    assert "JSON Schema" in told["input"][2]["content"]
    assert told["text"] == first["text"]


def test_a_budget_ends_it(ruled):
    """That end tells the text once more: as the rules let it pass."""
    gw, _ = ruled("output redact match=email;",
                  Reply(text=f"{MAIL} " * 200, piece=8),
                  http="llm_quota tight key=$remote_addr tokens=60/day;\n",
                  lines=["limit tight;"])
    answer = ask(gw, True, max_output_tokens=1000)
    events = events_of(answer)
    assert answer.complete and MAIL not in text_of(answer)
    assert events[-1]["type"] == "response.incomplete"
    (text,) = texts_of(events)
    assert text.startswith("[REDACTED] [REDACTED] ")


def test_requests(ruled):
    """What is put back, what is capped, and who is asked."""
    gw, (up,) = ruled("input redact reversible match=email; "
                      "input cap max_tokens=99;", Reply())

    def echo(x):
        said = x.request.json["input"]
        openai_wire.server(Reply(text=f"I write to {said}.", piece=2))(x)
    up(echo)
    answer = ask(gw, True, input=MAIL)
    assert texts_of(events_of(answer)) == {f"I write to {MAIL}."}
    assert whole_text(ask(gw, input=MAIL)) == f"I write to {MAIL}."
    sent = up.last.json
    assert sent["max_output_tokens"] == 99 and MAIL not in json.dumps(sent)
