"""nginx -t finds each mistake: where it is, and what is wrong with it."""

from __future__ import annotations

import re

import pytest

UP = """upstream up { server 127.0.0.1:1; llm_dialect openai; }
"""
ROUTE = """llm_route r { match *; target up; }
"""

#: name: (configuration inside http{}, what the message must have).
#: The mistake is on the line that ends with "# here".
BAD = {
    # upstream{}
    "unknown-dialect": ("""upstream up { server 127.0.0.1:1;
        llm_dialect openia; # here
        }""" + ROUTE, r"openia"),
    "dialect-twice": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_dialect openai; # here
        }""" + ROUTE, r"duplicate"),
    "endpoint-scheme": ("""upstream up { llm_dialect openai;
        llm_endpoint ftp://127.0.0.1/v1; # here
        }""" + ROUTE, r"http"),
    "endpoint-no-scheme": ("""upstream up { llm_dialect openai;
        llm_endpoint 127.0.0.1:80; # here
        }""" + ROUTE, r"http"),
    "endpoint-no-host": ("""upstream up { llm_dialect openai;
        llm_endpoint https:///v1; # here
        }""" + ROUTE, r"host"),
    "endpoint-port": ("""upstream up { llm_dialect openai;
        llm_endpoint http://127.0.0.1:99999/v1; # here
        }""" + ROUTE, r"port"),
    "endpoint-twice": ("""upstream up { llm_dialect openai;
        llm_endpoint http://127.0.0.1/v1;
        llm_endpoint http://127.0.0.2/v1; # here
        }""" + ROUTE, r"duplicate"),
    "endpoint-query": ("""upstream up { llm_dialect openai;
        llm_endpoint http://127.0.0.1/v1?key=x; # here
        }""" + ROUTE, r"\?|query|argument"),
    "endpoint-credentials": ("""upstream up { llm_dialect openai;
        llm_endpoint http://user:pass@127.0.0.1/v1; # here
        }""" + ROUTE, r"llm_api_key|@|user"),
    "no-resolver": ("""
        upstream up { llm_endpoint https://a.example/v1; # here
        llm_dialect openai; }""" + ROUTE, r"resolver"),
    "no-dialect": ("""upstream up { server 127.0.0.1:1;
        llm_timeouts connect=1s; # here
        }""" + ROUTE, r"llm_dialect"),
    "target-without-llm": ("""upstream up { server 127.0.0.1:1; }
        llm_route r { match *;
        target up; # here
        }""", r"llm_dialect|provider"),
    "no-server": ("""upstream up { llm_dialect openai;
        } # here
        """ + ROUTE, r"server|llm_endpoint"),
    "endpoint-and-server": ("""upstream up { server 127.0.0.1:1;
        llm_dialect openai;
        llm_endpoint http://127.0.0.1/v1; # here
        }""" + ROUTE, r"server"),
    "key-env-unset": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_api_key env:NO_SUCH_VARIABLE; # here
        }""" + ROUTE, r"NO_SUCH_VARIABLE"),
    "key-file-missing": ("""upstream up { server 127.0.0.1:1;
        llm_dialect openai;
        llm_api_key file:/no/such/key; # here
        }""" + ROUTE, r"/no/such/key"),
    "key-empty": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_api_key env:; # here
        }""" + ROUTE, r"env"),
    "key-twice": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_api_key $http_a;
        llm_api_key $http_b; # here
        }""" + ROUTE, r"duplicate"),
    "key-variable": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_api_key $no_such_variable; # here
        }""" + ROUTE, r"no_such_variable"),
    "timeout-name": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_timeouts first_tokn=3s; # here
        }""" + ROUTE, r"first_tokn"),
    "timeout-value": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_timeouts connect=soon; # here
        }""" + ROUTE, r"soon|connect"),
    "timeout-zero": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_timeouts connect=0; # here
        }""" + ROUTE, r"connect|0"),
    "timeout-twice": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_timeouts connect=1s connect=2s; # here
        }""" + ROUTE, r"connect|duplicate"),
    "price-value": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_price m input=cheap; # here
        }""" + ROUTE, r"cheap|input"),
    "price-name": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_price m inptu=1; # here
        }""" + ROUTE, r"inptu"),
    "price-negative": ("""upstream up { server 127.0.0.1:1;
        llm_dialect openai;
        llm_price m input=-1; # here
        }""" + ROUTE, r"-1|input"),
    "price-empty": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_price m; # here
        }""" + ROUTE, r"llm_price|input"),
    "price-twice": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_price m input=1;
        llm_price m input=2; # here
        }""" + ROUTE, r"duplicate|twice|already"),
    "base": ("""upstream up { server 127.0.0.1:1; llm_dialect openai;
        llm_base v1; # here
        }""" + ROUTE, r"llm_base|http"),
    "ssl-verify-value": ("""upstream up { llm_endpoint https://127.0.0.1/v1;
        llm_dialect openai;
        llm_ssl_verify maybe; # here
        }""" + ROUTE, r"maybe"),
    "ssl-ca-missing": ("""upstream up { llm_endpoint https://127.0.0.1/v1;
        llm_dialect openai;
        llm_ssl_trusted_certificate /no/such/ca.pem;
        }""" + ROUTE, r"/no/such/ca.pem"),
    "ssl-protocol": ("""upstream up { llm_endpoint https://127.0.0.1/v1;
        llm_dialect openai;
        llm_ssl_protocols TLSv9; # here
        }""" + ROUTE, r"TLSv9"),
    "ssl-ciphers": ("""upstream up { llm_endpoint https://127.0.0.1/v1;
        llm_dialect openai;
        llm_ssl_ciphers NO-SUCH-CIPHER;
        }""" + ROUTE, r"NO-SUCH-CIPHER"),
    "ssl-cert-no-key": ("""upstream up { llm_endpoint https://127.0.0.1/v1;
        llm_dialect openai;
        llm_ssl_certificate /no/such/cert.pem;
        }""" + ROUTE, r"llm_ssl_certificate|cert.pem"),

    # llm_route{}
    "route-empty": (UP + """
        llm_route r { } # here
        """, r"target"),
    "route-no-target": (UP + """
        llm_route r { match *; } # here
        """, r"target"),
    "route-no-name": (UP + """
        llm_route { match *; target up; } # here
        """, r"llm_route"),
    "route-twice": (UP + ROUTE + """
        llm_route r { match x; target up; } # here
        """, r"duplicate|\"r\""),
    "unknown-provider": (UP + """llm_route r { match *;
        target opnai/gpt; # here
        }""", r"opnai"),
    "unknown-fallback": (UP + """llm_route r { match *; target up;
        fallback nowhere; # here
        }""", r"nowhere"),
    "only-fallback": (UP + """
        llm_route r { match *; fallback up; } # here
        """, r"target"),
    "weight-value": (UP + """llm_route r { match *;
        target up weight=much; # here
        }""", r"much|weight"),
    "weight-negative": (UP + """llm_route r { match *;
        target up weight=-1; # here
        }""", r"-1|weight"),
    "weights-of-nothing": (UP + """llm_route r { match *;
        target up/a weight=0; target up/b weight=0; } # here
        """, r"weight"),
    "target-parameter": (UP + """llm_route r { match *;
        target up wieght=1; # here
        }""", r"wieght"),
    "target-twice": (UP + """llm_route r { match *; target up/m;
        target up/m; # here
        }""", r"up/m"),
    "fallback-weight": (UP + """llm_route r { match *; target up;
        fallback up/x weight=1; # here
        }""", r"weight"),
    "select": (UP + """llm_route r { match *; target up;
        select random; # here
        }""", r"random"),
    "retry-name": (UP + """llm_route r { match *; target up;
        retry attemps=3; # here
        }""", r"attemps"),
    "retry-attempts": (UP + """llm_route r { match *; target up;
        retry attempts=0; # here
        }""", r"attempts|0"),
    "retry-on": (UP + """llm_route r { match *; target up;
        retry on=connect,conect; # here
        }""", r"conect"),
    "retry-timeout": (UP + """llm_route r { match *; target up;
        retry timeout=never; # here
        }""", r"never|timeout"),
    "retry-twice": (UP + """llm_route r { match *; target up;
        retry attempts=2;
        retry attempts=3; # here
        }""", r"duplicate"),
    "match-twice": (UP + """llm_route a { match gpt; target up; }
        llm_route b { target up; match gpt; } # here
        """, r"gpt"),
    "match-any-twice": (UP + ROUTE + """
        llm_route b { target up; match *; } # here
        """, r"\*"),
    "match-star-inside": (UP + """llm_route a { target up;
        match gpt-*-mini; # here
        }""", r"gpt-\*-mini"),
    "match-empty": (UP + """llm_route a { target up;
        match; # here
        }""", r"match"),
    "unknown-directive-in-route": (UP + """llm_route r { match *; target up;
        targte up; # here
        }""", r"targte"),

    # http{}
    "prices-missing": (UP + ROUTE + """
        llm_prices /no/such/prices.json; # here
        """, r"/no/such/prices.json"),
    "zone-size": (UP + ROUTE + """
        llm_zone llm:lots; # here
        """, r"lots|llm_zone|size"),
    "zone-small": (UP + ROUTE + """
        llm_zone llm:1k; # here
        """, r"small|1k"),
    "zone-name": (UP + ROUTE + """
        llm_zone 32m; # here
        """, r"llm_zone|name|32m"),
    "zone-twice": (UP + ROUTE + """
        llm_zone llm:8m;
        llm_zone llm:8m; # here
        """, r"duplicate"),
    "route-in-server": (UP + """server { listen 127.0.0.1:1;
        llm_route r { match *; target up; } # here
        }""", r"llm_route"),
    "dialect-in-server": (UP + ROUTE + """server { listen 127.0.0.1:1;
        llm_dialect openai; # here
        }""", r"llm_dialect"),

    # location{}
    "pass-unknown-route": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / {
        llm_pass nothing; # here
        } }""", r"nothing"),
    "pass-two-words": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / {
        llm_pass r r; # here
        } }""", r"llm_pass"),
    "pass-twice": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / { llm_pass;
        llm_pass r; # here
        } }""", r"duplicate"),
    "pass-and-metrics": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / { llm_pass;
        llm_metrics; # here
        } }""", r"llm_|duplicate|handler"),
    "pass-behind-proxy": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / { proxy_pass http://127.0.0.1:1;
        llm_pass; # here
        } }""", r"proxy_pass"),
    "pass-before-proxy": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / {
        llm_pass; # here
        proxy_pass http://127.0.0.1:1; } }""", r"proxy_pass"),
    "pass-in-server": (UP + ROUTE + """server { listen 127.0.0.1:1;
        llm_pass; # here
        }""", r"llm_pass"),
    "pass-without-routes": (UP + """server { listen 127.0.0.1:1;
        location / {
        llm_pass; # here
        } }""", r"llm_route"),
    "pass-variable": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / {
        llm_pass $no_such_variable;
        } }""", r"no_such_variable"),
    "ignore-abort-value": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / { llm_pass;
        llm_ignore_client_abort sometimes; # here
        } }""", r"sometimes"),
    "metrics-words": (UP + ROUTE + """server { listen 127.0.0.1:1;
        location / {
        llm_metrics now; # here
        } }""", r"llm_metrics"),
}


#: nginx itself finds these when all has been read, and names no place
NO_PLACE = {"key-variable", "pass-variable"}


def bare(gateway, http, **parts):
    """nginx -t of this alone, without the harness's own location."""
    gw = gateway(http=http, location="return 204;", metrics=False,
                 start=False, **parts)
    return gw.check()


@pytest.mark.parametrize("case", BAD)
def test_a_mistake(gateway, case):
    text, fragment = BAD[case]
    check = bare(gateway, text)
    assert not check.ok, "nginx -t is content"
    message = next((line for line in check.stderr.splitlines()
                    if "[emerg]" in line), "")
    assert re.search(fragment, message), message
    if case in NO_PLACE:
        return
    assert "in " + str(check.conf) in message, f"no place: {message}"
    if "# here" in text:
        line = check.line_of("# here")
        assert re.search(rf"nginx\.conf:{line}\b", message), \
            f"not line {line}: {message}"
    assert "test failed" in check.stderr


def test_there_are_enough():
    assert len(BAD) >= 40


@pytest.mark.parametrize("prices,fragment", [
    ("", r"prices\.json"), ("{", r"prices\.json"), ("[]", r"object"),
    ('{"m": {"input_cost_per_token": "many"}}', r"input_cost_per_token|many"),
    ('{"m": {"input_cost_per_token": -1}}', r"input_cost_per_token|-1|nega"),
    ('{"m": 7}', r"m"), ('{\n"m": {},\n"n": x}', r"prices\.json:3"),
], ids=range(7))
def test_a_price_file_that_does_not_parse(gateway, tmp_path, prices,
                                          fragment):
    file = tmp_path / "prices.json"
    file.write_text(prices)
    check = bare(gateway, UP + ROUTE + f"llm_prices {file};")
    assert not check.ok
    assert "prices.json" in check.stderr
    assert re.search(fragment, check.stderr), check.stderr


def test_a_key_file_that_others_can_read(gateway, tmp_path):
    key = tmp_path / "key"
    key.write_text("sk-x\n")
    key.chmod(0o644)
    http = f"""upstream up {{ server 127.0.0.1:1; llm_dialect openai;
        llm_api_key file:{key}; # here
        }}{ROUTE}"""
    check = bare(gateway, http)
    assert check.ok
    warning = next(line for line in check.stderr.splitlines()
                   if "[warn]" in line)
    assert str(key) in warning and f":{check.line_of('# here')}" in warning
    key.chmod(0o600)
    assert "[warn]" not in bare(gateway, http).stderr


def test_an_empty_key_file(gateway, tmp_path):
    key = tmp_path / "key"
    key.write_text("\n")
    key.chmod(0o600)
    check = bare(gateway, f"""upstream up {{ server 127.0.0.1:1;
        llm_dialect openai; llm_api_key file:{key}; }}{ROUTE}""")
    assert not check.ok and "empty" in check.stderr


def test_an_environment_variable_that_is_not_set(gateway):
    check = bare(gateway, UP.replace("llm_dialect", """
        llm_api_key env:LOST_KEY; # here
        llm_dialect""") + ROUTE)
    assert not check.ok and "LOST_KEY" in check.stderr
    assert f":{check.line_of('# here')}" in check.stderr


def test_no_secret_in_a_message(gateway, tmp_path):
    key = tmp_path / "key"
    key.write_text("sk-very secret\nand more\n")
    key.chmod(0o600)
    check = bare(gateway, f"""upstream up {{ server 127.0.0.1:1;
        llm_dialect openai; llm_api_key file:{key}; }}{ROUTE}""")
    assert "sk-very" not in check.stderr


@pytest.mark.parametrize("http", [
    UP + ROUTE,
    UP + "llm_route r { match a b-* c; target up weight=2; target up/x; "
         "fallback up/y; select latency; retry attempts=2 on=5xx,connect "
         "timeout=3s; }",
    "upstream m { llm_dialect mock; } llm_route r { match *; target m; }",
    "resolver 127.0.0.1; upstream up { llm_endpoint https://a.example/v1; "
    "llm_dialect openai; llm_ssl_verify off; llm_price gpt-* input=1 "
    "output=2 cached=0.5; llm_timeouts connect=1s first_token=2s idle=3s "
    "total=1m; } " + ROUTE,
    "upstream up { zone up 64k; least_conn; server 127.0.0.1:1; "
    "server 127.0.0.1:2 backup; keepalive 4; llm_dialect anthropic; } "
    + ROUTE,
    UP + ROUTE + "llm_zone llm:4m;",
    UP,
    "",
], ids=range(8))
def test_what_is_right(gateway, http):
    check = bare(gateway, http)
    assert check.ok, check.stderr
    assert "[warn]" not in check.stderr, check.stderr
