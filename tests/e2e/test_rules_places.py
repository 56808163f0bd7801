"""Where texts stand that are not just a message's content: rules see them
there, too, and an answer that ends badly or says nothing does not pass."""

from __future__ import annotations

import json

import pytest

from harness import Reply, answers, openai_wire, sse
from test_rules import (MAIL, SECRET, ask, error_of, logged, ruled,
                        stream_text, text_of)

__all__ = ["ruled"]
STREAM = pytest.mark.parametrize("stream", [False, True])
DONE = b"data: [DONE]\n\n"
FAILS = sse.encode({"error": {"message": "boom", "type": "server_error"}})


def chat(*messages, finish="stop"):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": i, "message": message,
                         "finish_reason": finish}
                        for i, message in enumerate(messages)],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1,
                      "total_tokens": 2}}


def chunk(delta, finish=None):
    return sse.encode({"id": "c", "object": "chat.completion.chunk",
                       "created": 1, "model": "m", "choices": [
                           {"index": 0, "delta": delta,
                            "finish_reason": finish}]})


def message(*blocks):
    return {"id": "m", "type": "message", "role": "assistant", "model": "m",
            "content": list(blocks), "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1}}


def named(event, **members):
    data = json.dumps({"type": event, **members})
    return f"event: {event}\ndata: {data}\n\n".encode()


# -- answers ------------------------------------------------------------------

def custom(text, **more):
    return {"tool_calls": [{"index": 0, "custom": {"input": text}, **more}]}


def detail(text):
    return {"reasoning_details": [
        {"type": "reasoning.text", "index": 0, "text": text}]}


def summary(text):
    return {"reasoning_details": [
        {"type": "reasoning.summary", "index": 0, "summary": text}]}


def audio(text):
    return {"audio": {"id": "a", "transcript": text}}


PLACES = [custom, detail, summary, audio]


def gather(answer, place):
    """What the deltas say at that place."""
    text = ""
    for event in answer.events:
        if event.data == "[DONE]":
            continue
        delta = event.json["choices"][0]["delta"]
        if place is custom and "tool_calls" in delta:
            text += delta["tool_calls"][0]["custom"]["input"]
            assert delta["tool_calls"][0]["index"] == 0
        elif place in (detail, summary) and "reasoning_details" in delta:
            one = delta["reasoning_details"][0]
            what = "text" if place is detail else "summary"
            text += one[what]
            assert one["index"] == 0 and one["type"] == f"reasoning.{what}"
        elif place is audio and "audio" in delta:
            text += delta["audio"]["transcript"]
    return text


@pytest.mark.parametrize("place", PLACES)
def test_redacted_there(ruled, place):
    said = f"write to {MAIL} and wait"
    whole = {"role": "assistant", "content": "hi", **place(said)}
    stream = answers.events(
        [chunk({"role": "assistant", "content": "hi"})]
        + [chunk(place(said[at:at + 3])) for at in range(0, len(said), 3)]
        + [chunk({}, "stop"), DONE])
    gw, (up,) = ruled("output redact match=email with=[PII];",
                      answers.json(chat(whole)))

    assert ask(gw).json["choices"][0]["message"] \
        == {"role": "assistant", "content": "hi",
            **place("write to [PII] and wait")}

    up.scripts = [stream]
    answer = ask(gw, stream=True)
    assert gather(answer, place) == "write to [PII] and wait"
    assert stream_text(answer) == "hi"
    assert answer.events[-1].data == "[DONE]"
    assert "ann" not in text_of(answer)


def test_held_text_of_a_place_comes_before_the_end(ruled):
    gw, _ = ruled("output redact match=phone;", answers.events(
        [chunk(custom("call 12", id="1", type="custom")), chunk({}, "stop"),
         DONE]))
    answer = ask(gw, stream=True)
    assert gather(answer, custom) == "call 12"


def test_what_the_tools_of_an_api_do(ruled):
    """Of responses: what a shell is to run, and code has printed."""
    items = [
        {"type": "shell_call", "id": "s", "status": "completed",
         "action": {"commands": [f"mail {MAIL}"]}},
        {"type": "apply_patch_call", "id": "p",
         "operation": {"type": "update_file", "diff": f"+{MAIL}"}},
        {"type": "code_interpreter_call", "id": "c", "code": "1",
         "outputs": [{"type": "logs", "logs": MAIL}]}]
    gw, (up,) = ruled("output redact match=email with=[PII];", answers.json(
        {"id": "r", "object": "response", "status": "completed",
         "model": "m", "output": items}))
    body = {"model": "m", "input": "hi"}
    got = gw.post("/v1/responses", body).json["output"]
    assert got == json.loads(json.dumps(items).replace(MAIL, "[PII]"))

    up.scripts = [answers.events([
        named("response.output_item.done", sequence_number=0, output_index=0,
              item=items[0]),
        named("response.completed", sequence_number=1, response={
            "id": "r", "object": "response", "status": "completed",
            "model": "m", "output": items})])]
    answer = gw.post("/v1/responses", body | {"stream": True})
    assert "[PII]" in text_of(answer) and MAIL not in text_of(answer)


@STREAM
def test_what_tools_have_said_in_messages(ruled, stream):
    block = {"type": "mcp_tool_result", "tool_use_id": "t", "is_error": False,
             "content": [{"type": "text", "text": f"it is {MAIL}"}]}
    run = {"type": "bash_code_execution_tool_result", "tool_use_id": "t",
           "content": {"type": "bash_code_execution_result", "stdout": MAIL}}
    found = {"type": "web_search_tool_result", "tool_use_id": "t",
             "content": [{"type": "web_search_result", "title": "a",
                          "encrypted_content": MAIL}]}
    blocks = [block, run, found]
    script = answers.json(message(*blocks))
    if stream:
        parts = [named("message_start", message=message())]
        for i, one in enumerate(blocks):
            parts += [named("content_block_start", index=i, content_block=one),
                      named("content_block_stop", index=i)]
        script = answers.events(parts + [named("message_stop")])
    gw, _ = ruled("output redact match=email with=[PII];", script,
                  dialects=["anthropic"])
    answer = ask(gw, "anthropic", stream)
    got = [e.json["content_block"] for e in answer.events
           if "content_block" in e.json] if stream \
        else answer.json["content"]
    assert got == [*json.loads(json.dumps([block, run]).replace(MAIL,
                                                                "[PII]")),
                   found]


@STREAM
def test_reasoning_as_parts_of_content_is_no_content(ruled, stream):
    """As Mistral's models send it."""
    think = [{"type": "thinking", "thinking": [
        {"type": "text", "text": f"{MAIL} hm"}]}]
    script = answers.json(chat({"role": "assistant", "content": [
        *think, {"type": "text", "text": "{}"}]}))
    if stream:
        script = answers.events([chunk({"content": think}),
                                 chunk({"content": "{}"}), chunk({}, "stop"),
                                 DONE])
    gw, _ = ruled("output json; output redact match=email with=[PII];", script)
    answer = ask(gw, stream=stream)
    assert answer.status == 200
    assert "[PII]" in text_of(answer) and MAIL not in text_of(answer)
    assert "hm" in text_of(answer)


@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_tokens_do_not_depend_on_the_pieces(ruled, piece):
    """158 of them, as estimated, however they come."""
    text = ("The quick brown fox jumps over the lazy dog, and then it goes on "
            "for a while. ") * 8
    gw, _ = ruled("output tokens max=165 on_fail=mark; "
                  "output tokens max=145 on_fail=mark;",
                  Reply(text=text, piece=piece))
    ask(gw, stream=True)
    assert logged(gw) == "strict.tokens-2=mark"


def test_names_that_a_model_gives_to_arguments(ruled):
    block = {"type": "tool_use", "id": "t", "name": "f",
             "input": {"to": {MAIL: [MAIL]}}}
    gw, (up,) = ruled("output redact match=email with=[PII]; "
                      "output deny match=secrets;",
                      answers.json(message(block)), dialects=["anthropic"])
    assert ask(gw, "anthropic").json["content"][0]["input"] \
        == {"to": {"[PII]": ["[PII]"]}}

    block["input"] = {SECRET: 1}
    up.scripts = [answers.json(message(block))]
    assert ask(gw, "anthropic").status == 502


# -- many ---------------------------------------------------------------------

def test_many_choices_blocks_and_calls(ruled):
    gw, (chats, messages) = ruled(
        "output redact match=email with=[PII];",
        answers.json(chat(*[{"role": "assistant", "content": f"{i} {MAIL}"}
                            for i in range(128)])),
        None, dialects=["openai", "anthropic"])
    answer = ask(gw, n=128)
    assert [c["message"]["content"] for c in answer.json["choices"]] \
        == [f"{i} [PII]" for i in range(128)]

    blocks = [{"type": "text", "text": f"{i} {MAIL} "} for i in range(200)]
    chats.scripts = [answers.openai_error(500)]
    messages.scripts = [answers.json(message(*blocks))]
    answer = ask(gw, "anthropic")
    assert [b["text"] for b in answer.json["content"]] \
        == [f"{i} [PII] " for i in range(200)]

    parts = [named("message_start", message=message() | {"stop_reason": None})]
    for i, block in enumerate(blocks):
        parts += [
            named("content_block_start", index=i,
                  content_block={"type": "text", "text": ""}),
            named("content_block_delta", index=i,
                  delta={"type": "text_delta", "text": block["text"]}),
            named("content_block_stop", index=i)]
    parts += [named("message_delta", usage={"output_tokens": 3},
                    delta={"stop_reason": "end_turn", "stop_sequence": None}),
              named("message_stop")]
    messages.scripts = [answers.events(parts)]
    answer = ask(gw, "anthropic", stream=True)
    assert stream_text(answer, "anthropic") \
        == "".join(f"{i} [PII] " for i in range(200))


# -- nothing, and ends that are none ------------------------------------------

@pytest.mark.parametrize("said", [
    chat(), chat({"role": "assistant", "content": None}, finish=None)])
def test_an_answer_that_says_nothing(ruled, said):
    gw, ups = ruled("output json;", answers.json(said), Reply(text="{}"))
    answer = ask(gw)
    assert answer.json["choices"][0]["message"]["content"] == "{}"
    assert logged(gw) == "strict.json=next"


@pytest.mark.parametrize("parts", [[], [chunk({"role": "assistant"})]])
def test_a_stream_that_says_nothing(ruled, parts):
    gw, ups = ruled("output require regex=ok;",
                    answers.events([*parts, DONE]), Reply(text="ok"))
    answer = ask(gw, stream=True)
    assert stream_text(answer) == "ok"
    assert logged(gw) == "strict.require=next"


@pytest.mark.parametrize("end", ["error", "eof"])
def test_what_is_held_whole_does_not_go_in_part(ruled, end):
    """The provider fails when some of the answer has come."""
    gw, _ = ruled("output deny match=secrets; hold all;", answers.events(
        [chunk({"content": "some words, then"})]
        + ([FAILS] if end == "error" else [])))
    answer = ask(gw, stream=True)
    assert answer.status == 502
    assert answer.json["error"]["code"] == "upstream_error"
    assert "words" not in text_of(answer)


def test_an_error_is_not_asked_about_and_does_not_carry_what_is(ruled,
                                                                provider):
    """Nobody has judged what came before it."""
    judge = provider(openai_wire.server(Reply(text='{"pass": false}')))
    gw, _ = ruled("output judge=judge/m rubric=polite;", answers.events(
        [chunk({"content": "rude words"}), FAILS]),
        http=judge.upstream("judge"))
    answer = ask(gw, stream=True)
    assert answer.status == 502 and "rude" not in text_of(answer)
    assert not judge.requests


def test_an_error_ends_a_stream_whose_json_is_open(ruled):
    """It is the provider's error that the caller is told of."""
    gw, _ = ruled("output json; hold first;", answers.events(
        [chunk({"content": '{"a": '}), FAILS]))
    answer = ask(gw, stream=True)
    assert error_of(answer)["message"] == "boom"


# -- requests -----------------------------------------------------------------

DOCUMENT = {"type": "document", "source": {
    "type": "text", "media_type": "text/plain", "data": f"mail {MAIL}"}}
PICTURE = {"type": "image", "source": {
    "type": "base64", "media_type": "image/png", "data": MAIL}}
CALL = {"type": "tool_use", "id": "t", "name": "f",
        "input": {"data": MAIL, "signature": MAIL, MAIL: 1}}


def test_documents_and_arguments_of_a_request(ruled):
    gw, (up,) = ruled("input redact match=email with=[PII];", None,
                      dialects=["anthropic"])
    turns = [{"role": "user", "content": [DOCUMENT, PICTURE]},
             {"role": "assistant", "content": [CALL]},
             {"role": "user", "content": [
                 {"type": "image", "source": {
                     "type": "url", "url": f"data:text/plain,{MAIL}"}},
                 {"type": "image", "source": {
                     "type": "url",
                     "url": f"data:image/png;base64,{MAIL}"}}]}]
    assert ask(gw, "anthropic", messages=turns).status == 200
    sent = up.last.json["messages"]
    assert sent[0]["content"][0]["source"]["data"] == "mail [PII]"
    assert sent[0]["content"][1] == PICTURE
    assert sent[1]["content"][0]["input"] == {
        "data": "[PII]", "signature": "[PII]", "[PII]": 1}
    assert [part["source"]["url"] for part in sent[2]["content"]] \
        == ["data:text/plain,[PII]", f"data:image/png;base64,{MAIL}"]


def test_a_document_grounds_an_answer(ruled):
    fact = "The turbine weighs 4750 kilograms and runs at 1500 revolutions."
    gw, _ = ruled("output ground min=0.9 on_fail=stop;", Reply(text=fact),
                  dialects=["anthropic"])
    turn = {"role": "user", "content": [
        {"type": "document", "source": {
            "type": "text", "media_type": "text/plain", "data": fact}},
        {"type": "text", "text": "How heavy is it?"}]}
    assert ask(gw, "anthropic", messages=[turn]).status == 200
    assert ask(gw, "anthropic").status == 502


@pytest.mark.parametrize("turn", [
    {"role": "user", "content": [DOCUMENT]},
    {"role": "user", "Content": f"mail {MAIL}"}])
def test_who_is_asked_sees_them(ruled, provider, turn):
    hook = provider(answers.json({"allow": True}))
    gw, _ = ruled(f"input webhook=http://127.0.0.1:{hook.port}/;", None,
                  dialects=["anthropic"])
    assert ask(gw, "anthropic", messages=[turn]).status == 200
    assert MAIL in hook.last.json["input"]
