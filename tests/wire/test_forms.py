"""Bodies as public clients send them, and bodies as nobody should."""

from __future__ import annotations

import json
import string
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gate.wire.forms import DEEPEST, LONGEST_NAME, MOST_FIELDS, MOST_PARTS, FormFault, read_form

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=------------------------d74496d66958873e"
DELIMITER = b"--------------------------d74496d66958873e"
GRANTS = '{"read":{"all":true,"resources":["a\\/b","c"]}}'


def multipart(*parts: bytes) -> bytes:
    return b"".join(DELIMITER + b"\r\n" + part + b"\r\n" for part in parts) + DELIMITER + b"--\r\n"


def part(name: str, value: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def refusal(content_type: str | None, body: bytes) -> FormFault:
    fault = read_form(content_type, body)
    assert isinstance(fault, FormFault), fault
    assert fault.text.isascii()
    assert fault.text.isprintable()
    assert len(fault.text) < 90
    return fault


class TestClients:
    """One test for each shape that a published client puts on the wire."""

    def test_python_sends_json_text_and_its_own_booleans(self) -> None:
        body = b"grants=%7B%22read%22%3A+%7B%22all%22%3A+true%7D%7D&session_limit=10&volatile=True"
        assert read_form(FORM, body) == {
            "grants": '{"read": {"all": true}}',
            "session_limit": "10",
            "volatile": "True",
        }

    def test_python_sends_a_dictionary_in_its_own_spelling(self) -> None:
        body = b"grants=%7B%27read%27%3A+%7B%27all%27%3A+True%7D%7D"
        assert read_form(FORM, body) == {"grants": "{'read': {'all': True}}"}

    def test_node_sends_brackets_as_they_are(self) -> None:
        body = (
            b"grants[read][all]=true&grants[read][resources][]=v1&grants[read][resources][]=v2&session_limit=1"
        )
        grants = {"read": {"all": "true", "resources": ["v1", "v2"]}}
        assert read_form(FORM, body) == {"grants": grants, "session_limit": "1"}

    def test_ruby_encodes_the_brackets(self) -> None:
        body = b"grants%5Bread%5D%5Bresources%5D%5B%5D=v1&grants%5Bcreate%5D%5Bsession_owned%5D=true"
        grants = {"read": {"resources": ["v1"]}, "create": {"session_owned": "true"}}
        assert read_form(FORM, body) == {"grants": grants}

    def test_php_sends_multipart(self) -> None:
        body = multipart(
            part("grants", GRANTS.encode()),
            part("volatile", b"1"),
            part("hidden", b""),
            part("session_limit", b"2"),
        )
        expected = {"grants": GRANTS, "volatile": "1", "hidden": "", "session_limit": "2"}
        assert read_form(MULTIPART, body) == expected
        assert read_form(MULTIPART.replace("boundary=", 'boundary="') + '"', body) == expected

    def test_c_sharp_encodes_nothing_and_ends_in_an_ampersand(self) -> None:
        body = b'session_limit=1&usage_expiration_time=6000&grants={"read":{"all": true}}&'
        assert read_form(FORM, body) == {
            "session_limit": "1",
            "usage_expiration_time": "6000",
            "grants": '{"read":{"all": true}}',
        }

    def test_pages_call_a_form_text(self) -> None:
        body = b"tags[]=a&tags[]=b&server_auth=x"
        assert read_form("text/plain;charset=UTF-8", body) == {"tags": ["a", "b"], "server_auth": "x"}

    def test_json_keeps_its_types(self) -> None:
        body = (
            b' {"grants": {"read": {"resources": ["v"], "all": false}}, "session_limit": 1, "hidden": null}\r\n'
        )
        assert read_form("Application/JSON; charset=utf-8", body) == {
            "grants": {"read": {"resources": ["v"], "all": False}},
            "session_limit": 1,
            "hidden": None,
        }

    @pytest.mark.parametrize("content_type", [None, "", FORM, "text/plain", JSON, MULTIPART, "image/png"])
    def test_an_empty_body_has_no_fields(self, content_type: str | None) -> None:
        assert read_form(content_type, b"") == {}

    def test_a_body_without_a_type_is_a_form(self) -> None:
        assert read_form(None, b"a=1") == read_form(" ; x=y", b"a=1") == {"a": "1"}

    def test_a_list_may_be_numbered(self) -> None:
        assert read_form(FORM, b"a[b][1]=y&a[b][0]=x&0=z") == {"a": {"b": ["x", "y"]}, "0": "z"}
        assert read_form(FORM, b"a[1]=y&a[2]=x") == {"a": {"1": "y", "2": "x"}}
        assert read_form(FORM, b"a[0]=y&a[00]=x") == {"a": {"0": "y", "00": "x"}}

    def test_what_percent_does_not_encode_stands_for_itself(self) -> None:
        assert read_form(FORM, "a=100%&b=%zz&c=é=é&d&&=".encode().removesuffix(b"&=")) == {
            "a": "100%",
            "b": "%zz",
            "c": "é=é",
            "d": "",
        }

    async def test_multipart_as_aiohttp_writes_it(self) -> None:
        form = aiohttp.MultipartWriter("form-data")
        for name, value in {"grants": GRANTS, "note": "é\r\n--\r\n\r\n", "empty": ""}.items():
            form.append(value).set_content_disposition("form-data", name=name)
        body = await form.as_bytes()
        read = read_form(form.content_type, body)
        assert read == {"grants": GRANTS, "note": "é\r\n--\r\n\r\n", "empty": ""}


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"a=1&a=2", "twice"),
            (b"a=1&a=1", "twice"),
            (b"a[b]=1&a[b]=2", "twice"),
            (b"a=1&a[b]=2", "two shapes"),
            (b"a[b]=2&a=1", "two shapes"),
            (b"a[]=1&a=2", "two shapes"),
            (b"a=1&a[]=2", "two shapes"),
            (b"a[]=1&a[b]=2", "two shapes"),
            (b"a[b]=1&a[]=2", "two shapes"),
            (b"a[b][c]=1&a[b]=2", "two shapes"),
            (b"a[0]=1&a[]=2", "two shapes"),
            (b"a[][b]=1", "not its last"),
            (b"=1", "empty"),
            (b"[a]=1", "brackets"),
            (b"a[b=1", "brackets"),
            (b"a]b=1", "brackets"),
            (b"a[b]c=1", "brackets"),
            (b"a[[b]]=1", "brackets"),
            (b"a[b][c][d][e]=1", "deep"),
            (b"a=%00", "NUL"),
            (b"a\0=1", "NUL"),
            (b"a=%ff", "UTF-8"),
            (b"a=\xc0\xaf", "UTF-8"),
            (b"a=%ed%a0%80", "UTF-8"),
            (b"%e9=1", "UTF-8"),
            (b"a" * (LONGEST_NAME + 1), "too long"),
        ],
    )
    def test_a_form_with_two_meanings_or_none(self, body: bytes, says: str) -> None:
        assert says in refusal(FORM, body).text

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"[]", "one JSON object"),
            (b'{"a": 1, "a": 2}', "one JSON object"),
            (b'{"a": 1} {}', "one JSON object"),
            (b'{"a": NaN}', "one JSON object"),
            (b'{"a": "\\ud800"}', "one JSON object"),
            (b"grants=1", "one JSON object"),
            (b'{"a": "\\u0000"}', "NUL"),
            (b'{"a": [["\\u0000"]]}', "NUL"),
            (b'{"\\u0000": 1}', "NUL"),
            (b'{"a": {"b": {"c": {"d": {}}}}}', "deep"),
            (b'{"a": [[[[]]]]}', "deep"),
        ],
    )
    def test_json_that_is_more_than_a_form(self, body: bytes, says: str) -> None:
        assert says in refusal(JSON, body).text

    def test_nesting_is_counted_alike(self) -> None:
        expected = {"a": {"b": {"c": ["1"]}}}
        assert read_form(JSON, json.dumps(expected).encode()) == read_form(FORM, b"a[b][c][]=1") == expected
        assert DEEPEST == 4

    @pytest.mark.parametrize(
        "body",
        [
            b"preamble\r\n" + multipart(part("a", b"1")),
            multipart(part("a", b"1")) + b"epilogue",
            multipart(part("a", b"1")).removesuffix(b"--\r\n"),
            multipart(part("a", b"1"))[:-20],
            multipart(part("a", b"1")).replace(b"\r\n", b"\n"),
            multipart(b'Content-Disposition: form-data; name="a"'),
            multipart(b"no head\r\n\r\n1"),
            multipart(b"\r\n\r\n1"),
            multipart(b"X-Other: 1\r\n\r\n1"),
            multipart(b"Content-Disposition: form-data\r\n\r\n1"),
            multipart(b'Content-Disposition: attachment; name="a"\r\n\r\n1'),
            multipart(b'Content-Disposition: form-data; name="a"; filename="f"\r\n\r\n1'),
            multipart(b"Content-Disposition: form-data; name*=utf-8''a\r\n\r\n1"),
            multipart(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: x; name="b"\r\n\r\n1'),
            multipart(
                b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ=='
            ),
            multipart(b'Content-Disposition: form-data; name="\0"\r\n\r\n1'),
            multipart(b'Content-Disposition: form-data; name="a\rb"\r\n\r\n1'),
            multipart('Content-Disposition: form-data; name="é"\r\n\r\n1'.encode()),
            multipart(b'Content-Disposition: form-data; name="a"\r\nX: ' + b"y" * 2000 + b"\r\n\r\n1"),
            multipart(part("a", b"1"), part("a", b"2")),
            multipart(part("a", b"1"), part("a[b]", b"2")),
            multipart(part("", b"1")),
            multipart(part("a", b"\xff")),
            multipart(part("a", b"\0")),
            DELIMITER + b"x\r\n" + part("a", b"1") + b"\r\n" + DELIMITER + b"--\r\n",
            b"a=1",
            b"--",
        ],
    )
    def test_multipart_that_is_broken(self, body: bytes) -> None:
        assert refusal(MULTIPART, body).status == 400

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'multipart/form-data; boundary="a b "',
            "multipart/form-data; boundary=" + "a" * 71,
            "multipart/form-data; boundary*=utf-8''a",
        ],
    )
    def test_a_boundary_that_is_none(self, content_type: str) -> None:
        assert "boundary" in refusal(content_type, multipart(part("a", b"1"))).text

    @pytest.mark.parametrize(
        "content_type",
        [
            *("image/png", "multipart/mixed; boundary=a", "application/xml", "application/json5", "a"),
            *(f"{FORM}; charset=iso-8859-1", f"{JSON}; charset=utf-16", "text/plain; charset*=utf-8''utf-8"),
            *("application/json\r\nX: y", FORM + ";" + "a" * 1000, "application/jsön", "\0"),
        ],
    )
    def test_a_type_that_is_not_known(self, content_type: str) -> None:
        assert refusal(content_type, b"{}").status == 415

    def test_there_is_a_limit_of_fields(self) -> None:
        assert len(read_form(FORM, b"&".join(b"%d=" % n for n in range(MOST_FIELDS)))) == MOST_FIELDS  # type: ignore[arg-type]
        assert refusal(FORM, b"a[]=&" * (MOST_FIELDS + 1)).status == 413
        assert refusal(JSON, json.dumps({"a": [0] * MOST_FIELDS}).encode()).status == 413
        assert read_form(JSON, json.dumps({"a": [0] * (MOST_FIELDS - 1)}).encode()) == {
            "a": [0] * (MOST_FIELDS - 1)
        }
        parts = [part("a[]", b"x")] * MOST_PARTS
        assert read_form(MULTIPART, multipart(*parts)) == {"a": ["x"] * MOST_PARTS}
        assert refusal(MULTIPART, multipart(*parts, part("b", b""))).status == 413


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"&" * MEGABYTE),
        (FORM, b"%" * MEGABYTE),
        (FORM, b"%41" * (MEGABYTE // 3)),
        (FORM, b"a=" + b"+" * MEGABYTE),
        (FORM, b"[" * MEGABYTE),
        (FORM, b"a" + b"[]" * (MEGABYTE // 2)),
        (FORM, b"a" + b"[b]" * 80 + b"=1"),
        (FORM, b"a[b][c][]=123456789012345678901234567890&" * MOST_FIELDS),
        (FORM, b"&".join(b"a[%d]=12345678901234567890123456789012345" % n for n in range(MOST_FIELDS))),
        (FORM, b"=" * MEGABYTE),
        (FORM, b"\xff" * MEGABYTE),
        (JSON, b"{" * MEGABYTE),
        (JSON, b'{"a":' * (MEGABYTE // 5)),
        (JSON, b'{"a":' + b"[" * MEGABYTE),
        (JSON, b'{"a":"' + b"\\" * MEGABYTE),
        (JSON, b'{"a":[' + b"0," * (MEGABYTE // 2) + b"0]}"),
        (JSON, b'{"a":' + b"9" * MEGABYTE + b"}"),
        (JSON, b" " * MEGABYTE),
        (MULTIPART, b"\n" * MEGABYTE),
        (MULTIPART, b"\r\n" * (MEGABYTE // 2)),
        (MULTIPART, b"-" * MEGABYTE),
        (MULTIPART, b"\r\n" + (b"\r\n" + DELIMITER) * (MEGABYTE // 50)),
        (MULTIPART, multipart(part("a", b"\n" * MEGABYTE))),
        (MULTIPART, multipart(part("a", (b"\r\n" + DELIMITER[:-1]) * 20_000))),
        (MULTIPART, multipart(b"A: b\r\n" * (MEGABYTE // 6) + b"\r\n\r\n")),
        (MULTIPART, multipart(*[b"Content-Disposition: form-data" + b';"' * 490 + b"\r\n\r\n"] * 900)),
        (MULTIPART, multipart(*[b"Content-Disposition: form-data" + b";" * 980 + b"\r\n\r\n"] * 900)),
        (MULTIPART, multipart(*[b'Content-Disposition: form-data; name="' + b"\\" * 900 + b'"\r\n\r\n'] * 900)),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else value[:16],
)
def test_no_megabyte_takes_long(content_type: str, body: bytes) -> None:
    """CPU time, so that a busy machine does not matter: what is quadratic would take minutes."""
    began = time.process_time()
    read_form(content_type, body)
    assert time.process_time() - began < 1.5


# ---- whatever comes

TYPES = st.sampled_from([None, FORM, JSON, MULTIPART, "text/plain", "multipart/form-data; boundary=a"])
BITS = st.lists(
    st.sampled_from(
        [
            *(
                b"a",
                b"b",
                b"0",
                b"1",
                b"[",
                b"]",
                b"[]",
                b"=",
                b"&",
                b"%5B",
                b"%5d",
                b"%00",
                b"%",
                b"+",
                b"\xff",
            ),
            *(b"{", b"}", b'"', b":", b",", b"\\", b"\r\n", b"--a", b"\r\n--a\r\n", b"\r\n--a--", DELIMITER),
            *(b'Content-Disposition: form-data; name="a"', b"Content-Disposition: ", b";", b"\n", b"\0"),
        ]
    )
).map(b"".join)


@given(TYPES, st.binary() | BITS)
@example("multipart/form-data; boundary=a", b"--a--")
def test_any_body_is_read_or_refused_in_a_sentence(content_type: str | None, body: bytes) -> None:
    form = read_form(content_type, body)
    if isinstance(form, FormFault):
        assert form == refusal(content_type, body)
    else:
        assert "\0" not in json.dumps(form, ensure_ascii=False)
        json.dumps(form, ensure_ascii=False).encode()


@given(st.text(), st.binary(min_size=1))
def test_any_type_is_known_or_refused(content_type: str, body: bytes) -> None:
    read_form(content_type, body)
    read_form(f"multipart/form-data; boundary={content_type}", body)
    read_form(f"text/plain; charset={content_type}", body)


NAMES = st.text(string.ascii_letters + "_-. é", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
LISTS = st.lists(TEXTS, min_size=1, max_size=3)


def mappings(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, of, min_size=1, max_size=3)


FORMS = st.dictionaries(NAMES, TEXTS | LISTS | mappings(TEXTS | LISTS | mappings(TEXTS | LISTS)), max_size=4)


def flat(form: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """The fields as PHP and Rails write them."""
    pairs = []
    for name, value in form.items():
        name = f"{above}[{name}]" if above else name
        if isinstance(value, dict):
            pairs += flat(value, name)
        elif isinstance(value, list):
            pairs += [(f"{name}[]", each) for each in value]
        else:
            pairs.append((name, value))
    return pairs


@given(FORMS, st.randoms())
def test_what_was_written_is_read_in_every_form(form: dict[str, Any], random: Any) -> None:
    pairs = flat(form)
    assert read_form(FORM, urlencode(pairs).encode()) == form
    assert read_form(FORM, urlencode(pairs, quote_via=quote).encode()) == form
    bare = "".join(f"{name}={quote_plus(value)}&" for name, value in pairs)
    assert read_form("text/plain;charset=UTF-8", bare.encode()) == form
    assert read_form(JSON, json.dumps(form).encode()) == form
    lists = [(name, value) for name, value in pairs if name.endswith("[]")]
    others = [pair for pair in pairs if pair not in lists]
    random.shuffle(others)
    assert read_form(FORM, urlencode(others + lists).encode()) == form
    if all(name.isascii() for name, _ in pairs) and pairs:
        parts = [part(name, value.encode()) for name, value in pairs]
        assert read_form(MULTIPART, multipart(*parts)) == form
