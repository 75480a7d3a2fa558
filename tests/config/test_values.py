"""The typed values of a policy file: what each text means, what is refused, and what editors are told."""

from __future__ import annotations

import contextlib
import json
import re
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr, TypeAdapter, ValidationError

from gate.config.values import (
    Duration,
    HttpUrl,
    Listen,
    Network,
    Proxy,
    Secret,
    Size,
    TcpAddress,
    UnixAddress,
    read_duration,
    read_http_url,
    read_keys_url,
    read_listen,
    read_network,
    read_proxy,
    read_secret,
    read_size,
)

READERS = [read_duration, read_size, read_listen, read_network, read_http_url, read_keys_url, read_secret]


class Values(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    idle: Duration = 60.0
    body: Size = 65536
    listen: Listen = TcpAddress("127.0.0.1", 8080)
    socket: Listen | None = None
    trusted: tuple[Network, ...] = (ip_network("10.0.0.0/8"),)
    origin: HttpUrl = "http://127.0.0.1:9000"
    secret: Secret | None = None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("7d", 604800.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        ("36500d", 36500 * 86400.0),
        (0, 0.0),
        (90, 90.0),
        (0.5, 0.5),
        (-0.0, 0.0),
    ],
)
def test_duration(text: object, seconds: float) -> None:
    read = read_duration(text)
    assert (type(read), str(read)) == (float, str(seconds))


@pytest.mark.parametrize(
    "text",
    ["", "90", "s", "-1s", "1 s", " 1s", "1s\n", "1S", "1h30m", "1e3s", "1,5s", ".5s", "5.s", "٣s", "1w",
     "inf", None, True, [], -1, -0.1, float("nan"), float("inf"), 10**400, "36501d", "9" * 15 + "d",
     "9" * 400 + "s"],
)  # fmt: skip
def test_not_a_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512B", 512),
        ("64KiB", 65536),
        ("8MiB", 8 * 2**20),
        ("1GiB", 2**30),
        ("2TiB", 2**41),
        ("10MB", 10_000_000),
        ("1kB", 1000),
        ("1KB", 1000),
        ("0B", 0),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_size(text: object, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "64", "64K", "64kib", "1.5MiB", "-1B", "1 B", "B", "1B\n", True, None, 1.0, -1, 2**63, "8388608TiB"],
)
def test_not_a_size(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        read_size(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", TcpAddress("127.0.0.1", 8080)),
        ("[::1]:8080", TcpAddress("::1", 8080)),
        ("[fe80::1%eth0]:80", TcpAddress("fe80::1%eth0", 80)),
        (":8080", TcpAddress("", 8080)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("gate.internal:65535", TcpAddress("gate.internal", 65535)),
        ("unix:/run/gate.sock", UnixAddress("/run/gate.sock")),
    ],
)
def test_listen(text: str, address: TcpAddress | UnixAddress) -> None:
    assert read_listen(text) == address
    assert str(address) == text
    assert read_listen(address) is address


@pytest.mark.parametrize(
    "text",
    ["", ":", "8080", "localhost", "localhost:", "127.0.0.1:65536", "127.0.0.1:080", "127.0.0.1:-1", "::1:80",
     "[::1]", "[127.0.0.1]:80", "[::1%a/b]:80", "256.0.0.1:80", "127.1:80", "0x7f.1:80", "a b:80", "-a:80",
     "a..b:80", "http://a:80", "a:80\n", "bücher.example:80", "unix:", "unix:relative", "unix:/a\0b",
     "unix:/" + "a" * 103, "a." * 127 + "a:80", 8080, None, True, ["::1"]],
)  # fmt: skip
def test_not_a_listen_address(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected|port|socket"):
        read_listen(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://id.example/.well-known/jwks.json", "https://id.example/.well-known/jwks.json"),
        ("HTTPS://ID.example/Keys/", "https://id.example/Keys/"),
        ("https://id.example", "https://id.example"),
        ("https://id.example/", "https://id.example/"),
        ("https://id.example:8443/keys?p=b2c_1&x=%20/?", "https://id.example:8443/keys?p=b2c_1&x=%20/?"),
        ("https://id.example?", "https://id.example?"),
        ("http://127.0.0.1:9000/keys", "http://127.0.0.1:9000/keys"),
        ("http://[::1]/keys", "http://[::1]/keys"),
        ("http://localhost:9000/keys", "http://localhost:9000/keys"),
    ],
)
def test_keys_url(text: str, url: str) -> None:
    assert read_keys_url(text) == url
    assert read_keys_url(url) == url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://id.example/keys", "https"),
        ("http://127.0.0.1.id.example/keys", "https"),
        ("http://localhost.id.example/keys", "https"),
        ("http://10.0.0.1/keys", "https"),
        ("http://0.0.0.0/keys", "https"),
        ("https://user:pw@id.example/keys", "user name"),
        ("https://user@id.example/keys", "user name"),
        ("https://id.example/keys#a", "fragment"),
        ("https://id.example/keys?a#b", "fragment"),
        ("https://id.example/keys?a b", "query"),
        ("https://id.example/keys?a%zz", "query"),
        ("https://id.example//", "segments"),
        ("https://id.example/../keys", "segments"),
        ("file:///etc/passwd", "expected a URL"),
        ("ftp://id.example", "expected a URL"),
        ("", "expected a URL"),
        (9000, "expected a URL"),
        (None, "expected a URL"),
    ],
)
def test_not_a_keys_url(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_keys_url(text)


@pytest.mark.parametrize("text", ["", None, 1, True, [], SecretStr("")])
def test_not_a_secret(text: object) -> None:
    with pytest.raises(ValueError, match="expected a secret"):
        read_secret(text)


def test_a_secret_shows_nowhere() -> None:
    values = Values.model_validate_json('{"secret": "hunter2hunter2"}')
    assert values.secret is not None
    assert values.secret.get_secret_value() == "hunter2hunter2"
    for shown in (repr(values), str(values), f"{values.secret}", values.model_dump_json()):
        assert "hunter2" not in shown


def test_what_a_type_gives_it_takes() -> None:
    values = Values(
        idle=1.5,
        body=7,
        listen=UnixAddress("/run/a"),
        trusted=(ip_network("::/0"),),
        secret=SecretStr("x"),
    )
    assert Values.model_validate(values.model_dump()) == values
    again = Values.model_validate_json(values.model_dump_json(exclude={"secret"}))
    assert again.listen == UnixAddress("/run/a")


def test_a_wrong_value_is_a_value_error_with_the_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        Values.model_validate_json('{"idle": "soon", "body": "big", "listen": 1, "origin": "x", "secret": 1}')
    for error in caught.value.errors():
        assert error["type"] == "value_error"
        assert str(error["ctx"]["error"]).startswith("expected a")


@given(st.sampled_from(READERS), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_any_input_is_read_or_refused(reader: Any, value: object) -> None:
    with contextlib.suppress(ValueError):
        reader(value)


@given(st.sampled_from(READERS[:5]), st.text(alphabet="qwzj%!{}~", min_size=6))
def test_no_sentence_repeats_its_text(reader: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^~{}!]+$"):
        reader(text)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Duration, ["250ms", "1.5h"], ["90", "1w"]),
        (Size, ["64KiB", "10MB"], ["64", "64K"]),
        (Listen, ["127.0.0.1:8080", "[::1]:8080", ":8080", "unix:/a"], ["8080", "unix:a", "::1:80"]),
        (Network, ["10.0.0.0/8", "::1"], ["localhost", "10.0.0.0/"]),
        (Proxy, ["10.0.0.0/8", "::1", "unix"], ["localhost", "0.0.0.0/0", "::/0"]),
        (HttpUrl, ["http://a:80/b", "HTTPS://[::1]"], ["ftp://a", "http://u@a", "http://a?b"]),
    ],
)
def test_editors_find_the_same_faults(kind: Any, good: list[str], bad: list[str]) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert schema["description"]
    text = next(part for part in schema.get("anyOf", [schema]) if part["type"] == "string")
    assert all(re.search(text["pattern"], each) for each in good)
    assert not any(re.search(text["pattern"], each) for each in bad)


def test_the_schema_of_a_model_holds_the_defaults_as_a_file_writes_them() -> None:
    properties = Values.model_json_schema()["properties"]
    assert properties["listen"]["default"] == "127.0.0.1:8080"
    assert properties["trusted"]["default"] == ["10.0.0.0/8"]
    assert properties["secret"]["anyOf"][0]["writeOnly"] is True
    assert json.dumps(properties)


def test_a_proxy_is_a_network_of_somebody_in_particular_or_unix() -> None:
    assert read_proxy("unix") == "unix"
    assert read_proxy("10.0.0.0/8") == ip_network("10.0.0.0/8")
    for text in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ValueError, match="this is everybody"):
            read_proxy(text)
    with pytest.raises(ValueError, match=r"expected a network such as .*, or unix"):
        read_proxy("proxy.example")
    with pytest.raises(ValueError, match="bits set beyond its prefix"):
        read_proxy("10.0.0.1/8")
