"""A real Chromium before the status page.

LLMOPS_SCREENSHOTS=DIRECTORY keeps pictures of what the tests have seen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("LLMOPS_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM,
                                             args=ARGUMENTS)
        yield browser
        browser.close()


class Looked:
    """A page, what it has asked for, and what it has complained of."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.requests: list[tuple[str, str]] = []
        self.console: list[str] = []
        self.allowed: list[str] = []
        page.on("request", lambda r: self.requests.append((r.method, r.url)))
        page.on("console", lambda m: self.console.append(m.text))
        page.on("dialog", lambda d: self.console.append(d.message))
        page.on("pageerror", lambda e: self.console.append(str(e)))

    def open(self) -> "Looked":
        self.page.goto(self.url)
        self.page.wait_for_selector("#page table")
        return self

    def allow(self, words: str) -> None:
        """A complaint that the test provokes."""
        self.allowed.append(words)

    def width_beyond(self) -> int:
        return self.page.evaluate(
            "document.documentElement.scrollWidth - innerWidth")

    def picture(self, name: str) -> None:
        if directory := os.environ.get("LLMOPS_SCREENSHOTS"):
            Path(directory).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{directory}/{name}.png",
                                 full_page=True)

    def check(self) -> None:
        """No complaint, and nothing but what lies beside the page."""
        assert [text for text in self.console
                if not any(words in text for words in self.allowed)] == []
        for _, url in self.requests:
            assert url.startswith(self.url), url


@pytest.fixture
def look(browser: Browser) -> Iterator[Any]:
    """Opens the page of a gateway; each look is checked at the end."""
    made: list[Looked] = []

    def make(gateway: Any, path: str = "/llm/", clock: bool = False,
             **options: Any) -> Looked:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(15000)
        if clock:
            page.clock.install()
        looked = Looked(page, gateway.url + path)
        made.append(looked)
        return looked.open()
    yield make
    for looked in made:
        looked.page.context.close()
        looked.check()
