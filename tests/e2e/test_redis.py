"""The Redis transport: what is asked is answered, within its time."""

from __future__ import annotations


def test_commands(redis, redis_driver):
    server = redis()
    driver = redis_driver(server.directive())
    assert driver.ask("SET a 1", "INCR a", "GET a", "GET b", "LPUSH l x y",
                      "LRANGE l 0 -1", "FOO") == [
        "status OK", "integer 2", "string 2", "nil", "integer 2",
        "array 2 [string y] [string x]",
        "error ERR unknown command 'FOO', with args beginning with: "]
