"""Keys stay where they belong.

That a provider's key is in no log is asserted after every test; here the logs
say all they can, and other places are looked at too.
"""

from __future__ import annotations

import os

import pytest

from harness import Reply, answers, openai_wire, route, wait_for
from harness.nginx import VARIABLES
from harness.util import regions

CALLER = "sk-caller-do-not-pass-on"
CREDENTIALS = [("Authorization", f"Bearer {CALLER}"), ("x-api-key", CALLER),
               ("api-key", CALLER), ("x-goog-api-key", CALLER),
               ("Cookie", f"token={CALLER}")]


def test_nothing_in_the_debug_log(chain):
    """All kinds of ends, with everything written down."""
    cut = openai_wire.chat_stream(Reply(), {"model": "m"})[:3]
    gw, ups = chain(answers.openai_error(500), answers.close, answers.reset,
                    answers.json({"error": {"message": "no"}}),
                    answers.events(cut, finish=answers.reset), debug=True)
    for stream in (False, True):
        gw.chat(stream=stream)
        gw.messages(stream=stream)
    gw.get("/v1/models")
    gw.reload(server="location = /n { return 204; }")
    gw.chat()
    assert "[debug]" in gw.error_log()


def test_the_callers_credentials_stay_here(gateway, provider):
    ups = {d: provider(dialect=d) for d in ("openai", "anthropic")}
    gw = gateway(http="".join(up.upstream(d) for d, up in ups.items())
                 + "".join(f"llm_route {d} {{ match {d}; target {d}; }}"
                           for d in ups))
    gw.secret(CALLER)
    for model in ups:
        for stream in (False, True):
            assert gw.chat(model=model, stream=stream,
                           headers=CREDENTIALS).status == 200
            assert gw.messages(model=model, stream=stream,
                               headers=CREDENTIALS).status == 200
    for up in ups.values():
        assert len(up.requests) == 4
        for request in up.requests:
            assert CALLER.encode() not in request.raw_head + request.body


def test_a_key_goes_to_its_own_provider_only(chain):
    gw, ups = chain(answers.openai_error(500), answers.anthropic_error(529),
                    None, dialects=["openai", "anthropic", "openai"])
    assert gw.chat().status == 200
    for up in ups:
        sent = up.last.raw_head.decode()
        assert sent.count(up.key) == 1
        assert not any(other.key in sent for other in ups if other is not up)


def test_no_key_where_none_is_configured(gateway, provider):
    up = provider(key="")
    gw = gateway(http=f"""upstream up {{ server 127.0.0.1:{up.port};
        llm_dialect openai; }}""" + route("target up;"))
    gw.chat(headers=CREDENTIALS)
    assert up.last.header("authorization") is None
    assert up.last.header("x-api-key") is None


def test_not_in_what_the_caller_sees(chain):
    """Also when the provider repeats it."""
    gw, ups = chain(None)
    key = ups[0].key
    ups[0](answers.openai_error(
        401, f"Incorrect API key provided: {key}. Find yours at ..."))
    for answer in (gw.chat(), gw.messages(), gw.chat(stream=True)):
        seen = answer.body.decode() + str(answer.headers)
        assert key not in seen and answer.status == 502
    ups[0](answers.openai_error(500, f"key {key} broke us"))
    answer = gw.chat()
    assert "127.0.0.1" not in str(answer.headers)


def test_not_in_metrics(serve):
    gw, up = serve()
    gw.chat(headers=CREDENTIALS)
    text = gw.fetch_metrics().body.decode()
    assert up.key not in text and CALLER not in text


def test_not_in_an_echo(serve):
    """No variable gives it away."""
    every = " ".join(f"${name}" for name in VARIABLES)
    gw, up = serve(location=f"""llm_pass;
        add_header X-All "{every}" always;""")
    answer = gw.chat()
    assert answer.header("x-all")
    assert up.key not in answer.header("x-all")


@pytest.mark.parametrize("asked", [0, 5], ids=["idle", "after-requests"])
def test_not_in_a_core_dump(gateway, provider, tmp_path, asked):
    secret = "sk-only-in-a-file-0123456789"
    up = provider(key="")
    key = tmp_path / "key"
    key.write_text(secret + "\n")
    key.chmod(0o600)
    gw = gateway(http=f"""upstream up {{ server 127.0.0.1:{up.port};
        llm_dialect openai; llm_api_key file:{key}; }}"""
                 + route("target up;"))
    gw.secret(secret)
    for _ in range(asked):
        assert gw.chat().status == 200
        assert up.last.header("authorization") == f"Bearer {secret}"
    where = regions(gw.worker(), secret.encode())
    assert any(left_out for _, left_out in where)
    wait_for(lambda: all(left_out for _, left_out
                         in regions(gw.worker(), secret.encode())), 10,
             "the last request to be over")


def test_a_key_file_is_read_again(gateway, provider, tmp_path):
    up = provider()
    key = tmp_path / "key"
    key.write_text("sk-first-key-of-file\n")
    key.chmod(0o600)
    gw = gateway(http=f"""upstream up {{ server 127.0.0.1:{up.port};
        llm_dialect openai; llm_api_key file:{key}; }}"""
                 + route("target up;"))
    gw.secret("sk-first-key-of-file", "sk-second-key-of-file")
    gw.chat()
    assert up.last.header("authorization") == "Bearer sk-first-key-of-file"
    other = tmp_path / "new"
    other.write_text("sk-second-key-of-file\n")
    other.chmod(0o600)
    os.utime(other, (2_000_000_000, 2_000_000_000))
    os.replace(other, key)

    def second():
        gw.chat()
        return up.last.header("authorization") == \
            "Bearer sk-second-key-of-file"
    wait_for(second, 15, "the new key", interval=0.1)
    # a file that is gone changes nothing
    key.unlink()
    assert gw.chat().status == 200
