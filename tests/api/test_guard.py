"""Who may use the admin API: nobody on behalf of a web page, and where a token is set whoever shows it."""

from __future__ import annotations

from typing import Any

import pytest

from gate.api.explanation import Fields
from gate.api.guard import guard, is_loopback, shows

TOKEN = "the operators' own token"
LOCAL = {"host": "127.0.0.1:8081"}
JSON = {"content-type": "application/json"}


def ask(method: str = "GET", token: str | None = None, *, unix: bool = False, **fields: Any) -> str | None:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    headers = Fields({name: value if isinstance(value, list) else [value] for name, value in named.items()})
    fault = guard(method, headers, token, unix=unix)
    return None if fault is None else fault.reason


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_with_a_token_whoever_shows_it_may(method: str) -> None:
    good = f"Bearer {TOKEN}"
    assert ask(method, TOKEN, host="gate.example", authorization=good) is None
    for given in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": TOKEN},
        {"authorization": [good] * 2},
    ):
        assert ask(method, TOKEN, host="127.0.0.1", content_type="application/json", **given) == "token_missing"


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("origin", ["null", "https://page.example", "http://127.0.0.1:8081"])
def test_no_web_page_may(token: str | None, origin: str) -> None:
    assert ask("GET", token, **LOCAL, authorization=f"Bearer {TOKEN}", origin=origin) == "cross_site"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("127.0.0.1", "127.0.0.1:8081", "localhost:1", "LOCALHOST", "[::1]:8081")),
        *((host, True) for host in ("127.8.9.1:80", "gate.localhost", "localhost.")),
        *((host, False) for host in ("rebound.example", "rebound.example:8081", "127.0.0.1.rebound.example")),
        *((host, False) for host in ("localhost.rebound.example", "10.0.0.1", "0.0.0.0", "[::]", "")),
        *((host, False) for host in ("a@localhost", "localhost/a", "localhost?a", "localhost:x")),
        *((host, False) for host in ("[::1", "::1", "notlocalhost")),
    ],
)  # fmt: skip
def test_without_one_the_host_is_this_machine(method: str, host: str, local: bool) -> None:
    assert is_loopback(host) is local
    assert ask(method, host=host, **_underscored(JSON)) == (None if local else "host_not_local")
    assert ask(method, unix=True, host=host, **_underscored(JSON)) is None


def test_a_request_has_one_host() -> None:
    assert ask("GET") == "host_not_local"
    assert ask("GET", host=["localhost", "localhost"]) == "host_not_local"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/plain, application/json"]
)
def test_without_one_a_change_is_of_a_type_that_no_page_can_send_unasked(kind: str) -> None:
    for method in ("POST", "DELETE"):
        assert ask(method, **LOCAL, content_type=kind) == "content_type"
        assert ask(method, unix=True, **LOCAL, content_type=kind) == "content_type"
        assert ask(method, **LOCAL) == "content_type"
        assert ask(method, **LOCAL, content_type="Application/JSON; charset=utf-8") is None
    assert ask("GET", **LOCAL, content_type=kind) is None


def test_what_is_no_utf8_is_no_token() -> None:
    assert not shows(Fields({"authorization": ["Bearer \udcff"]}), TOKEN)


def _underscored(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in fields.items()}
