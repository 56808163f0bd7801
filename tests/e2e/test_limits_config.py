"""nginx -t finds each mistake in limits, and says what to write instead."""

from __future__ import annotations

import re

import pytest

UP = """upstream up { server 127.0.0.1:1; llm_dialect openai; }
"""
PRICED = """upstream up { server 127.0.0.1:1; llm_dialect openai;
    llm_price m input=1 output=2; }
"""


def routed(*names: str, target: str = "up/m") -> str:
    return (f"llm_route r {{ match *; target {target}; "
            f"limit {' '.join(names)}; }}\n")


def limit(words: str) -> str:
    return f"llm_limit a {words}; # here\n" + PRICED + routed("a")


def quota(words: str) -> str:
    return f"llm_quota a {words}; # here\n" + PRICED + routed("a")


#: name: (configuration inside http{}, what the message must have).
#: The mistake is on the line that ends with "# here".
BAD = {
    "no-key": (limit("requests=1/m"), r"add \"key=VALUE\""),
    "key-empty": (limit("key= requests=1/m"), r"key=\$remote_addr"),
    "key-twice": (limit("key=a key=b requests=1/m"), r"duplicate"),
    "nothing": (limit("key=a"), r"add an amount.*requests=600/m"),
    "quota-nothing": (quota("key=a"), r"add an amount.*cost=400usd/month"),
    "unknown": (limit("key=a request=1/m"),
                r"request=1/m.*\"requests=\".*concurrent"),
    "quota-unknown": (quota("key=a token=1/day"), r"token=1/day.*\"warn=\""),
    "no-period": (limit("key=a requests=1"), r"requests=1.*period.*/m"),
    "no-amount": (limit("key=a tokens=/m"), r"tokens=/m.*90k/m"),
    "money": (quota("key=a cost=400/month"), r"400usd/month"),
    "calendar-in-limit": (limit("key=a requests=1/day"), r"llm_quota"),
    "concurrent-in-quota": (quota("key=a concurrent=3"), r"llm_limit"),
    "concurrent-period": (limit("key=a concurrent=3/m"), r"without a period"),
    "rate-twice": (limit("key=a requests=1/m requests=2/60s"), r"duplicate"),
    "nine-rates": (limit("key=a " + " ".join(
        f"requests=1/{n}s" for n in range(1, 10))), r"8 at the most"),
    "fail": (limit("key=a requests=1/m fail=maybe"), r"fail=open.*closed"),
    "shard": (limit("key=a requests=1/m shard="), r"shard=\$remote_addr"),
    "reserve": (limit("key=a tokens=1/m reserve=0"), r"from 1 to 1000000"),
    "soft-limit": (limit("key=a requests=1/m soft"), r"only \"llm_quota\""),
    "warn-limit": (limit("key=a requests=1/m warn=80%"), r"llm_quota"),
    "soft-hard": (quota("key=a cost=1usd/day soft hard"), r"soft.*hard"),
    "warn": (quota("key=a cost=1usd/day warn=80"), r"warn=80%,95%"),
    "warn-order": (quota("key=a cost=1usd/day warn=95%,80%"), r"lowest first"),
    "warn-many": (quota("key=a cost=1usd/day warn=1%,2%,3%,4%,5%"), r"four"),
    "warn-large": (quota("key=a cost=1usd/day warn=101%"), r"1% to 100%"),
    "rollover": (quota("key=a cost=1usd/day rollover=0%"), r"1% to 100%"),
    "rollover-sliding": (quota("key=a cost=1usd/d rollover=20%"),
                         r"/day.*/week.*/month"),
    "tz": (quota("key=a cost=1usd/day tz=Mars/Olympus"), r"Europe/Berlin"),
    "tz-path": (quota("key=a cost=1usd/day tz=../../../etc/passwd"),
                r"Europe/Berlin"),
    "tz-directory": (quota("key=a cost=1usd/day tz=Europe"),
                     r"Europe/Berlin"),
    "tz-offset": (quota("key=a cost=1usd/day tz=+25:00"), r"\+02:00"),
    "tz-sliding": (quota("key=a cost=1usd/d tz=UTC"), r"/day"),
    "webhook-url": (quota("key=a cost=1usd/day warn=80% webhook=ftp://x/"),
                    r"webhook=https://"),
    "webhook-password": (quota("key=a cost=1usd/day warn=80% "
                               "webhook=https://u:p@127.0.0.1/"),
                         r"without user"),
    "webhook-no-warn": (quota("key=a cost=1usd/day webhook=http://127.0.0.1/"),
                        r"warn=80%"),
    "webhook-no-url": (quota("key=a cost=1usd/day warn=80% "
                             "webhook_secret=env:PATH"), r"webhook=https"),
    "webhook-secret": (quota("key=a cost=1usd/day warn=80% "
                             "webhook=http://127.0.0.1/ "
                             "webhook_secret=env:LOST_SECRET"),
                       r"LOST_SECRET"),
    "webhook-resolver": (quota("key=a cost=1usd/day warn=80% "
                               "webhook=http://ops.example/"), r"resolver"),
    "webhook-limit": (limit("key=a requests=1/m webhook=http://127.0.0.1/"),
                      r"llm_quota"),
    "name-key": ("llm_limit key key=a requests=1/m; # here\n" + UP
                 + routed("key"), r"not be \"key\""),
    "name-quote": ("llm_limit 'a\"b' key=a requests=1/m; # here\n" + UP,
                   r"quotes"),
    "name-long": ("llm_limit %s key=a requests=1/m; # here\n" % ("x" * 65)
                  + UP, r"1 to 64"),
    "name-twice": ("llm_quota a key=a cost=1usd/day;\n"
                   + limit("key=a requests=1/m"), r"duplicate.*nginx.conf:\d"),
    "unknown-limit": ("llm_limit a key=a requests=1/m;\n" + UP + """
        llm_route r { match *; target up;
            limit b; # here
        }""", r"unknown limit \"b\".*llm_limit b key="),
    "limit-twice": ("llm_limit a key=a requests=1/m;\n" + UP + """
        llm_route r { match *; target up;
            limit a a; # here
        }""", r"duplicate"),
    "too-many-limits": (
        "".join(f"llm_limit a{n} key=a requests=1/m;\n" for n in range(32))
        + UP + "llm_route r { match *; target up;\n limit "
        + " ".join(f"a{n}" for n in range(32)) + "; # here\n }", r"31"),
    "no-price": ("llm_quota a key=a cost=1usd/day; # here\n" + UP
                 + routed("a"), r"llm_price m input=USD.*llm_prices"),
    "no-price-for-any": ("llm_quota a key=a cost=1usd/day; # here\n" + UP
                         + routed("a", target="up"), r"llm_price MODEL"),
    "half-a-price": ("llm_quota a key=a cost=1usd/day; # here\n"
                     + PRICED.replace("output=2", "") + routed("a"),
                     r"output|no price"),
}

#: the place that is named is not only that of "# here"
ELSEWHERE = {"half-a-price"}


def bare(gateway, http):
    return gateway(http=http, start=False, metrics=False).check()


@pytest.mark.parametrize("case", BAD)
def test_a_mistake(gateway, case):
    text, fragment = BAD[case]
    check = bare(gateway, text)
    assert not check.ok, "nginx -t is content"
    message = next((line for line in check.stderr.splitlines()
                    if "[emerg]" in line), "")
    assert re.search(fragment, message), message
    if case not in ELSEWHERE:
        line = check.line_of("# here")
        assert re.search(rf"nginx\.conf:{line}\b", message), \
            f"not line {line}: {message}"


@pytest.mark.parametrize("http", [
    limit("key=$remote_addr requests=600/m tokens=90k/m concurrent=32"),
    limit("key=all input=1m/h output=100k/10s cost=1usd/d fail=closed dry_run "
          "reserve=4096 shard=$remote_addr"),
    quota("key=$remote_addr cost=400usd/month tokens=50m/month warn=80%,95% "
          "tz=Europe/Berlin rollover=20% hard fail=local"),
    quota("key=$http_x_run cost=0.5usd/d soft"),
    quota("key=a requests=1/week tz=-03:30 dry_run"),
], ids=range(5))
def test_what_is_right(gateway, http):
    check = bare(gateway, http)
    assert check.ok, check.stderr
    assert "[warn]" not in check.stderr, check.stderr


def test_a_limit_that_nobody_uses(gateway):
    check = bare(gateway, "llm_limit a key=a requests=1/m; # here\n" + UP
                 + "llm_route r { match *; target up; }")
    assert check.ok
    warning = next(line for line in check.stderr.splitlines()
                   if "[warn]" in line)
    assert "limit a;" in warning
    assert f"nginx.conf:{check.line_of('# here')}" in warning


def test_no_price_is_a_warning_where_nothing_is_refused(gateway):
    check = bare(gateway, "llm_quota a key=a cost=1usd/day soft;\n" + UP
                 + routed("a"))
    assert check.ok
    assert re.search(r"\[warn\].*has no price", check.stderr)


def test_there_are_enough():
    assert len(BAD) >= 40
