"""Examples of docs/ that run as they stand; docs/check.py has nginx -t of all."""

from __future__ import annotations

import re

from harness.nginx import MODULE, ROOT

EXAMPLES = ROOT / "docs" / "examples"


def test_limits(gateway):
    """What its comments say can be asked, and what is refused then."""
    gw = gateway(start=False)
    text = (EXAMPLES / "limits.conf").read_text()
    text = re.sub(r"^load_module .*", f"load_module {MODULE};\nuser root;\n"
                  f"daemon off;\npid {gw.prefix}/nginx.pid;", text, flags=re.M)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{gw.port}") \
        .replace("/var/log/nginx", f"{gw.prefix}/logs")
    # the harness writes its own configuration unless it has one
    gw.write = lambda: gw.conf.write_text(text)
    gw.config = gw.config.but(metrics=False)
    gw.start()
    headers = [("x-client", "alice"), ("x-team", "search")]
    answers = [gw.chat(model="mock", headers=headers) for _ in range(6)]
    assert [r.status for r in answers] == [200] * 5 + [429]
    assert answers[0].header("x-ratelimit-limit-requests") == "5"
    assert answers[4].header("x-ratelimit-remaining-requests") == "0"
    assert "requests=5/m" in answers[5].json["error"]["message"]
    assert gw.chat(model="mock", headers=[("x-client", "bob")]).status == 200

    [level] = gw.get("/llm/limits/per_team?key=search").json["levels"]
    total = gw.get("/llm/usage").json["total"]
    assert total["requests"] == 7 and total["errors"] == 1
    assert 0 < float(level["used"]) < float(total["cost"]) < 0.01
    [daily] = gw.get("/llm/limits/watch?key=search").json["levels"]
    assert 0 < daily["used"] < total["input_tokens"] + total["output_tokens"]
