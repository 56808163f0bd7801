"""What the end-to-end tests are made of; tests/README.md tells how."""

from . import answers, anthropic_wire, openai_wire, sse
from .client import Client, Response
from .h2client import H2Client
from .nginx import Check, Config, Gateway, elapsed, nginx_version, route
from .provider import Exchange, Provider, Request
from .reply import Reply, Tool
from .util import Reserved, SLOW, unsent, wait_for

__all__ = [
    "answers", "anthropic_wire", "openai_wire", "sse",
    "Check", "Client", "Config", "Exchange", "Gateway", "H2Client",
    "Provider", "Reply", "Request", "Reserved", "Response", "SLOW", "Tool",
    "elapsed", "nginx_version", "route", "unsent", "wait_for",
]
