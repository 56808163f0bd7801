"""What happens daily, or is over after days: time is moved on."""

from __future__ import annotations

import pytest

from harness import Reply, route, wait_for

from test_evaluations import ADMIN, Judged, PRICE, cases
from test_evaluations_life import golden


@pytest.fixture
def scheduled(gateway, provider, clock, tmp_path):
    """A gateway with a schedule; Judged."""
    def make(*lines, engine="", http=""):
        up = provider(Reply(text="42"))
        path = golden(tmp_path, 3)
        gw = gateway(server=ADMIN, http=engine + http
                     + up.upstream("up", PRICE) + route(
                         "target up/a;", *(f"evaluate {name} {path} {words} "
                                           "check=exact candidate=up/a;"
                                           for name, words in lines)))
        return Judged(gw, up)
    return make


def runs(j, clock, **expected):
    """So often each schedule has run, and none is under way."""
    def counts():
        # what waits for a moment need not be waited for
        clock.advance(0.5)
        listed = list(j.admin.pages("evaluations", "data", limit=100))
        if all(one["status"] == "completed" for one in listed):
            return {name: sum(one["name"] == name for one in listed)
                    for name in expected}
    wait_for(lambda: counts() == expected, 20, f"{expected}", 0.02)


def test_daily(scheduled, clock, tmp_path):
    """Once in a period, and once for many that have been slept through; who
    begins anew knows when the last one was."""
    (tmp_path / "state").mkdir()
    j = scheduled(("daily", "every=1d"), ("often", "every=20h"),
                  engine=f"llm_state {tmp_path}/state;")
    runs(j, clock, daily=1, often=1)
    clock.sleep(hours=20)
    runs(j, clock, daily=1, often=2)
    j.gateway.reload()
    clock.sleep(hours=20)
    runs(j, clock, daily=2, often=3)
    clock.sleep(days=10)
    runs(j, clock, daily=3, often=4)
    j.gateway.kill()
    j.gateway.start()
    clock.sleep(hours=20)
    runs(j, clock, daily=3, often=5)
    assert len(j.providers[0].requests) == 3 * 8


def test_evaluations_are_kept_for_so_long(scheduled, clock):
    j = scheduled()
    first = j.run(cases(2), candidates=["up/a"])["id"]
    clock.sleep(days=29)
    # the next one makes it look what is over
    second = j.run(cases(2), candidates=["up/a"])["id"]
    assert j.get(first)["done"] == 2 and len(j.results(first)) == 2
    clock.sleep(days=2)
    wait_for(lambda: j.admin.get(f"evaluations/{first}").status == 404, 10,
             "the end of the first")
    assert j.get(second)["done"] == 2


def test_a_budget_of_a_day(gateway, provider, clock):
    """Copies go on at midnight (UTC), not a day after the first one."""
    up, new = provider(Reply(output=100)), provider(Reply(output=100))
    gw = gateway(http=up.upstream("up") + new.upstream(
        "new", "llm_price b input=0 output=10000;")
        + route("target up/a;", "shadow new/b share=100% budget=3usd/day;"))
    day = 86400

    def copies(outcome, n):
        wait_for(lambda: gw.metrics().sum("llm_shadow_requests_total",
                                          outcome=outcome) == n, 10,
                 f"{n} {outcome}")
    clock.sleep(day - clock.time() % day + day - 3600)    # 23:00
    for n in range(1, 4):
        gw.chat()
        copies("compared", n)
    gw.chat()
    copies("dropped_budget", 1)
    clock.sleep(minutes=50)
    gw.chat()
    copies("dropped_budget", 2)
    clock.sleep(minutes=11)
    gw.chat()
    copies("compared", 4)
    assert len(new.requests) == 4
