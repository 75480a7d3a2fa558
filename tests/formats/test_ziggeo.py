"""Ziggeo's client tokens: those of its SDKs are read, and what somebody made of one is refused, all alike."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from gate.core.checks import check_life
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.policy import USUAL_RIGHTS, Application, Ziggeo
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Rights, Token, Warrant, token_id
from gate.formats import Reference, read_token
from gate.formats.ziggeo import LONGEST, ClientToken, derive_key, encrypt, read, token_of, write
from gate.formats.ziggeo_values import Arguments

REFUSED = Deny(Reason.TOKEN_MALFORMED)
KEY = derive_key("enckey")
IV = "0123456789abcdef"
VECTOR = (
    "0123456789abcdef58361db2624362c699c4b81ce9561eb1a19963f2b391eac38549126456c8b1b11f44ee594dd90e12"
    "0726a403cc716ddd4d956525a2e254b0831f7f10ba1c85765c441c3b7bc05382867c6fae5b62bb8a"
)


def read_ours(text: str) -> ClientToken | Deny:
    return read(text, application_token="apptok", key=KEY)


def read_json(plaintext: str | bytes) -> ClientToken | Deny:
    raw = plaintext.encode() if isinstance(plaintext, str) else plaintext
    return read_ours(encrypt(raw, KEY, IV))


def taken(read: ClientToken | Deny) -> ClientToken:
    assert isinstance(read, ClientToken)
    return read


def grants(**by_action: Grant) -> Grants:
    return Grants({Action(word): grant for word, grant in by_action.items()})


def resources(*names: str) -> Grant:
    return Grant(resources=frozenset(names))


def test_the_vector() -> None:
    assert KEY == b"01ca0de08eb48dc0009c103d739acdad"
    plaintext = b'{"grants":{"read":{"all":true}},"application_token":"apptok","nonce":"1"}'
    assert encrypt(plaintext, KEY, IV) == VECTOR
    arguments = Arguments(grants=grants(read=Grant(all=True)), nonce="1")
    assert read_ours(VECTOR) == ClientToken(arguments, "1", plaintext)


PLAINTEXTS = {
    "Python": (
        r'{"grants": "{\"read\": \"all\"}", "session_limit": 10, '
        r'"application_token": "apptok", "nonce": "17952933062055062629143764983"}',
        Arguments(grants=grants(read=Grant(all=True)), session_limit=10),
    ),
    "Node": (
        r'{"grants":"{\"create\":{\"session_owned\":true}}","session_limit":1,"volatile":true,'
        r'"application_token":"apptok","nonce":"17952933064792791485962"}',
        Arguments(grants=grants(create=Grant(session_owned=True)), session_limit=1, volatile=True),
    ),
    "PHP": (
        r'{"application_token":"apptok","nonce":"17952933067642649577961089880",'
        r'"grants":{"read":{"all":true,"resources":["a\/b","\u00e9"]}},"session_limit":1,"volatile":true}',
        Arguments(
            grants=grants(read=Grant(True, frozenset({"a/b", "\u00e9"}))), session_limit=1, volatile=True
        ),
    ),
    "PHP, a nonce of its maker's and no grants": (
        '{"application_token":"apptok","nonce":"mine","grants":[]}',
        Arguments(),
    ),
    "PHP, no arguments": ('{"application_token":"apptok","nonce":"17952933"}', Arguments()),
    "PHP, numbers in quotes": (
        '{"application_token":"apptok","nonce":"17952933","session_limit":"1","usage_expiration_time":"100"}',
        Arguments(session_limit=1, usage_expiration_time=100),
    ),
    "Ruby": (
        '{"application_token":"apptok","nonce":"1795293306123456789",'
        '"grants":{"read":{"resources":["1234567890"]}},"session_limit":1,"usage_expiration_time":86400}',
        Arguments(grants=grants(read=resources("1234567890")), session_limit=1, usage_expiration_time=86400),
    ),
    "Java": (
        '{"grants":{"update":{"session_owned":true}},"hidden":false,"application_token":"apptok",'
        '"expiration_date":2000000000,"nonce":"1.7952933E12","session_limit":1}',
        Arguments(
            grants=grants(update=Grant(session_owned=True)), session_limit=1, expiration_date=2_000_000_000
        ),
    ),
    "C#": (
        '{"application_token":"apptok","nonce":"1795293306187654321",'
        '"grants":{"destroy":{"resources":["größe-中"]}},"token":"0123456789abcdef0123456789abcdef"}',
        Arguments(grants=grants(destroy=resources("größe-中")), token="0123456789abcdef0123456789abcdef"),
    ),
}


@pytest.mark.parametrize("sdk", PLAINTEXTS)
def test_plaintexts_of_the_sdks(sdk: str) -> None:
    plaintext, arguments = PLAINTEXTS[sdk]
    client = taken(read_json(plaintext))
    assert client.nonce == json.loads(plaintext)["nonce"]
    assert client.signing_input == plaintext.encode()
    for name in Arguments.__dataclass_fields__:
        expected = client.nonce if name == "nonce" else getattr(arguments, name)
        assert getattr(client.arguments, name) == expected


# Made by the published SDKs, Python's 2.30 and Node's 0.1.26, with a key that was thrown away.
MADE = {
    "Python": (
        "755ded1f4f8a550dc85026400dc057cc647257137640b3548edd0ff7f0e657f91376f4ca75d0fdb43f339beb37c93bcf"
        "ebd0330fe27b94cbf2e1b4a95d012b79529ab86ee8585a7d4efda1fbc89f571e9d5e91df71a6acdc4e226de5ccf831e3"
        "3b112cc5dc9b1cc5ca6579302c69a8b29fe130509488f5c887cca81b6a2fa8a24f4f91178aad40b2",
        Arguments(grants=grants(read=Grant(all=True)), session_limit=10, nonce="17953268934475254067805653091"),
    ),
    "Python, with all arguments": (
        "afa77c7d4b3c8131163def5e0503909f3067247bab390e2cb32c24b12da6b2204e0874dabeade6f776e3228b09772b54"
        "0bdba230d5a0710d58c12291fd3a5a4cbabcc420186f6195d43b1b58854e38bbfe17dfe977262bb597aa785ea05c0d52"
        "2af67652061864d86e2be8bc6f3c735e674546f43df3ab409cef6eb49af609d3591a0fc1eac3edbf03f74065802de3fa"
        "5eefb2284f277d16298d1fa434cbd126d4410a69993e07014055560058ed2420016f1ef7442e89a8ede4f8494c41b417"
        "65cedfbbacd0b3edf643b9860c6407c1777b559a930b5009bb69b8692f07f430f77dfd8945c26262b59785dc304cc791"
        "c2440b240134840adb76c6fef54aca2db02c8060afea71f1caf73a8435e05acdee03263aaada0a84",
        Arguments(
            expiration_date=2_000_000_000,
            usage_expiration_time=86400,
            session_limit=1,
            grants=grants(read=resources("café", "ü中")),
            volatile=True,
            nonce="17953268931537643813169704771",
        ),
    ),
    "Python, no arguments": (
        "df705952a7f8c6bb59535ab9c1030d67432572d06a554c76277837d3f50ff82c3560c538c8ae922320076916f907abe2"
        "a3f1a26485e803027242fec619e99f0dae4ac8060ed4917b717667b15f2e0f80cb4c0b93d78327c9",
        Arguments(nonce="17953268938609947049495324704"),
    ),
    "Node": (
        "0f805f3f7e1410b456e579aa24800b3f3f38e12cdaea2af073aa5f76299c4cbae22c9ed29f617126573b6c8276a26b40"
        "55c5f89e85ce0909e309948029b0ee01385fe3dee34619f219d58ac6dab3a9a719441daf5b60d802c4caa9d93ffabe30"
        "c9379876c860eeb62564f7284e9bbda7eb8788e292717b5690564d75126768fd2b58b280cf61f65d703a8d228af9d60b"
        "d29c886811d315550f6f85ab4afd238a58148dcc15f79033",
        Arguments(
            grants=grants(create=Grant(session_owned=True)),
            session_limit=1,
            volatile=True,
            nonce="17953273242123675115195",
        ),
    ),
    "Node, in Latin-1": (
        "000e3de45b519c75ffc26ab31c3094158c8b30832526458347a57f38a352778d1b44451a0f9c33eb88f48ebf72d33d78"
        "17555ea18e29b0b2f1b54bbd1e5d2553fecf1723a0b4f2b5568b278ed146125f7fd29a47e820f7a17d092089ed8a3ce3"
        "986b2dc1a7366ca5e2ce0cac87fe40723adf0a2b8f4c3b766bd6570752dd5f46522b0c4fdeec8b1abc2fe14826c6143c"
        "99e86b89fc8454e1c7d5410071ae60edd0ad7c8f513b5e2c47a2dde9a28f1eb7ca8b988eee65225fa6488c9fa44dcef5"
        "9f24b4f1256b69239089a9a8ad21c20824acbd81933c9f5655d94ba02d1faff9ec81577308ff8ed9",
        Arguments(
            grants=grants(read=resources("vidéo été", "plain"), update=Grant(session_owned=True)),
            expiration_date=2_000_000_000,
            usage_expiration_time=100,
            nonce="17953273242253170832527",
        ),
    ),
    "Node, in Latin-1 in a string": (
        "4003340b21af2ef888b77656a37a0a06d092af7652b18da8f5a8e76c11ffafd6f40b13cc3fde91db27d352c05f752c12"
        "96a13d7a8ff75ad198e7b8398d186ff1b17ba3fd1efbd1b3e5d1a797d14633616c77b53f77ed035e941dcfa7f9289201"
        "af405eb681761f0cc4fb1abff8f1e0694d8ef814c32ad97c42b086e6b110dc9b35603a1b7f3cb220",
        Arguments(grants=grants(read=resources("café")), nonce="17953273242262346127831"),
    ),
}


@pytest.mark.parametrize("sdk", MADE)
def test_tokens_that_the_sdks_made(sdk: str) -> None:
    text, arguments = MADE[sdk]
    key = derive_key("throw-away key é")
    assert taken(read(text, application_token="apptok", key=key)).arguments == arguments
    assert read(text, application_token="apptok", key=KEY) == REFUSED
    assert read(text, application_token="other", key=key) == REFUSED


BODY = '{"application_token":"apptok","nonce":"17952933","grants":{"read":{"resources":["%s"]}}}'


@pytest.mark.parametrize(
    "name", ["é", "café", "vidéo été", "Größe 1", "Ærø/øre", "a" * 400 + "é" * 3 + "b" * 13 + "é"]
)
def test_names_in_latin_1_and_in_utf_8(name: str) -> None:
    for body in ((BODY % name).encode("latin-1"), (BODY % name).encode()):
        assert taken(read_json(body)).arguments.grants == grants(read=resources(name))


@pytest.mark.parametrize(
    "raw",
    [
        b"\xe9\xe9\xe9\xe9",
        b"\xe9abcd\xe9abcd\xe9abcd\xe9",
        b"caf\xe9!",
        b"caf\xe9{",
        b"caf\xe9\x93",
        b"\xd7\xe9",
        "é!".encode(),
        "\u2028".encode(),
    ],
)
def test_what_does_not_look_like_a_name(raw: bytes) -> None:
    assert read_json((BODY % "%").encode().replace(b"%", raw)) == REFUSED


def test_letters_of_any_script_in_utf_8_and_anything_that_is_escaped() -> None:
    for name in ("видео-один", "中文视频", "été été été été"):
        assert taken(read_json(BODY % name)).arguments.grants == grants(read=resources(name))
    escaped = json.dumps("\u2028\x00é!中\U0001f600é!é!é!é!")[1:-1]
    assert taken(read_json(BODY % escaped)).arguments.grants == grants(
        read=resources(json.loads(f'"{escaped}"'))
    )


GOOD = {"application_token": "apptok", "nonce": "17952933", "grants": {"read": {"resources": ["v"]}}}
LATIN = '"é"'.encode("latin-1")
REFUSED_PLAINTEXTS: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "x" * 64,
    "an array": "[]",
    "not closed": json.dumps(GOOD)[:-1],
    "something after it": json.dumps(GOOD) + "}",
    "padding within": json.dumps(GOOD) + "\x01",
    "NUL after it": json.dumps(GOOD) + "\x00",
    "a key twice": json.dumps(GOOD)[:-1] + ', "nonce": "17952933"}',
    "grants twice": json.dumps(GOOD)[:-1] + ', "grants": []}',
    "the application twice": json.dumps(GOOD)[:-1] + ', "application_token": "apptok"}',
    "an unknown key": json.dumps(GOOD | {"exp": 1}),
    "white space before it": " " + json.dumps(GOOD),
    "white space within it": json.dumps(GOOD, indent=1),
    "a tab": json.dumps(GOOD).replace(", ", ",\t"),
    "another application": json.dumps(GOOD | {"application_token": "apptoken"}),
    "a part of the application": json.dumps(GOOD | {"application_token": "appto"}),
    "an empty application": json.dumps(GOOD | {"application_token": ""}),
    "an application that is a number": json.dumps(GOOD | {"application_token": 1}),
    "an application with half of a pair": json.dumps(GOOD | {"application_token": "\ud800"}),
    "no application": json.dumps({"grants": {}, "nonce": "17952933"}),
    "no nonce": json.dumps({"application_token": "apptok"}),
    "a nonce that is null": json.dumps(GOOD | {"nonce": None}),
    "an empty nonce": json.dumps(GOOD | {"nonce": ""}),
    "a nonce that is a number": json.dumps(GOOD | {"nonce": 17952933}),
    "a long nonce": json.dumps(GOOD | {"nonce": "1" * 129}),
    "a nonce with a space": json.dumps(GOOD | {"nonce": "1 2"}),
    "a nonce in UTF-8": json.dumps(GOOD | {"nonce": "é"}, ensure_ascii=False),
    "a nonce in Latin-1": json.dumps(GOOD | {"nonce": "X"}).encode().replace(b'"X"', LATIN),
    "a key in Latin-1": json.dumps(GOOD | {"X": 1}).encode().replace(b'"X"', LATIN),
    "a number in Latin-1": json.dumps(GOOD | {"session_limit": "X"}).encode().replace(b'"X"', LATIN),
    "an action in Latin-1": json.dumps(GOOD | {"grants": {"X": 1}}).encode().replace(b'"X"', LATIN),
    "a float": json.dumps(GOOD | {"expiration_date": 2e9}),
    "below zero": json.dumps(GOOD | {"session_limit": -1}),
    "an unknown action": json.dumps(GOOD | {"grants": {"write": "all"}}),
    "grants in no JSON": json.dumps(GOOD | {"grants": "{'read': 'all'}"}),
    "deep": json.dumps(GOOD)[:-1] + ', "grants": ' + "[" * 2000 + "]" * 2000 + "}",
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    # What stands in the first block is whatever the IV says.
    "the nonce first": json.dumps({"nonce": "17952933"} | GOOD),
    "a reference first": json.dumps({"token": "0123abcd"} | GOOD),
    "hidden, as a number, first": json.dumps({"hidden": 1} | GOOD),
    "hidden, as text, first": json.dumps({"hidden": "1"} | GOOD),
    "an escape first": json.dumps({"grants": {}} | GOOD).replace("grants", "\\u0067rants"),
    "a space first": json.dumps(GOOD).replace("{", "{ ", 1),
}


@pytest.mark.parametrize("name", REFUSED_PLAINTEXTS)
def test_other_plaintexts(name: str) -> None:
    refusal = read_json(REFUSED_PLAINTEXTS[name])
    assert refusal == REFUSED
    assert isinstance(refusal, Deny)
    assert refusal.detail == REFUSED.detail


@pytest.mark.parametrize(
    "first", [{"hidden": True}, {"hidden": False}, {"volatile": True}, {"grants": []}, {"session_limit": 1}]
)
def test_what_sdks_begin_with_is_read(first: dict[str, Any]) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        assert isinstance(read_json(json.dumps(first | GOOD, separators=separators)), ClientToken)


@pytest.mark.parametrize(
    "text",
    ["", "0", IV, VECTOR[:-1], VECTOR[:-16], VECTOR[:-32], VECTOR[:-2] + "0", VECTOR + "0" * 16,
     VECTOR + "0" * 32, VECTOR.upper(), VECTOR[:-1] + "A", VECTOR[:-1] + "g", VECTOR[:-1] + "\n",
     VECTOR + "\n", " " + VECTOR,
     VECTOR[:-2] + "  ", "0x" + VECTOR, VECTOR[:-1] + "\u0661", VECTOR[:-1] + "\ud800", "\x00" * 176, "é" * 176,
     "A" + VECTOR[1:], "\uff10" + VECTOR[1:], "0" * 100_000, IV + "0" * 32, VECTOR[16:],
     "eyJhbGciOiJIUzI1NiJ9.e30.AA"],
)  # fmt: skip
def test_other_texts(text: str) -> None:
    assert read_ours(text) == REFUSED


@pytest.mark.parametrize(
    "padding", [b"\x00", b"\x01\x01", b"\x02", b"\x03\x02", b"\x11" * 17, b"\x10" * 15, b"\xff"]
)
def test_other_paddings(padding: bytes) -> None:
    """Whole blocks whose padding is not that of PKCS #7."""
    body = json.dumps(GOOD | {"nonce": "n"}).encode()
    body = json.dumps(GOOD | {"nonce": "n" * (1 + -(len(body) + len(padding)) % 16)}).encode() + padding
    assert len(body) % 16 == 0
    # `encrypt` puts a block of padding behind it, which goes.
    assert read_ours(encrypt(body, KEY, IV)[:-32]) == REFUSED


def test_as_long_as_may_be() -> None:
    # 16 digits of IV and whole blocks.
    names = "a" * 500
    body = json.dumps(GOOD | {"grants": {"read": {"resources": [f"{names}{at:05}" for at in range(15)]}}})
    most = (LONGEST - 16) // 2 - 1
    padded = body[:-3] + "," + " " * (most - len(body) - 1) + "{}}"
    assert len(encrypt(padded.encode(), KEY, IV)) <= LONGEST
    assert isinstance(read_json(body), ClientToken)
    longer = json.dumps(GOOD | {"grants": {"read": {"resources": [f"{names}{at:05}" for at in range(17)]}}})
    assert len(encrypt(longer.encode(), KEY, IV)) > LONGEST
    assert read_json(longer) == REFUSED


HEX = "0123456789abcdef"


@pytest.mark.parametrize("sdk", ["Python", "Node", "PHP", "Ruby"])
def test_no_other_digit_makes_another_nonce(sdk: str) -> None:
    """Each digit of a token as each other digit: what is still read is what it was."""
    plaintext, _ = PLAINTEXTS[sdk]
    text = encrypt(plaintext.encode(), KEY, IV)
    client = taken(read_ours(text))
    for at, digit in enumerate(text):
        for other in set(HEX) - {digit}:
            changed = read_ours(text[:at] + other + text[at + 1 :])
            assert changed == REFUSED or taken(changed).arguments == client.arguments


@given(st.data())
def test_no_other_iv_makes_another_token(data: st.DataObject) -> None:
    """The IV is who asks's to choose; hex digits are all it can be, which turn no beginning into another."""
    plaintext, _ = PLAINTEXTS[data.draw(st.sampled_from(sorted(PLAINTEXTS)))]
    iv = data.draw(st.text(HEX, min_size=16, max_size=16))
    text = encrypt(plaintext.encode(), KEY, iv)
    changes = data.draw(st.lists(st.tuples(st.integers(0, 15), st.sampled_from(HEX)), min_size=1, max_size=16))
    other = list(iv)
    for at, digit in changes:
        other[at] = digit
    changed = read_ours("".join(other) + text[16:])
    assert changed == REFUSED or taken(changed).arguments == taken(read_ours(text)).arguments


def test_what_another_iv_would_do_to_a_nonce() -> None:
    """Why nothing that matters may begin in the first block: the plaintext follows the IV, bit by bit."""
    body = json.dumps({"nonce": "17952933", "application_token": "apptok"}, separators=(",", ":")).encode()
    text = encrypt(body, KEY, IV)
    changed = IV[:10] + "b" + IV[11:]
    assert IV[10] == "a"
    assert decrypt_block(text, 0) == b'{"nonce":"179529'
    assert decrypt_block(changed + text[16:], 0) == b'{"nonce":"279529'
    assert read_ours(text) == read_ours(changed + text[16:]) == REFUSED


def forge(text: str, block: int, before: bytes, after: bytes) -> str:
    """The token with one block of known plaintext replaced; the block before it becomes chance."""
    raw = bytearray.fromhex(text[16:])
    at = 16 * (block - 1)
    raw[at : at + 16] = bytes(c ^ b ^ a for c, b, a in zip(raw[at : at + 16], before, after, strict=True))
    return text[:16] + raw.hex()


def decrypt_block(text: str, block: int) -> bytes:
    """One block of the plaintext, counted from 0, as whoever has the key sees it."""
    raw = text[:16].encode() + bytes.fromhex(text[16:])
    at = 16 * block
    whole = Cipher(AES256(KEY), ECB()).decryptor().update(raw[at + 16 : at + 32])
    return bytes(a ^ b for a, b in zip(whole, raw[at : at + 16], strict=True))


def test_what_a_flip_can_do() -> None:
    """Whoever has a token and knows what it says can write a block of it anew. The block before it becomes
    chance, and was part of a resource's name: with luck that still is one, and the token opens everything. If
    all of Latin-1 were names, one try in ten would be lucky."""
    head = '{"application_token":"apptok","nonce":"17952933","grants":{"read":{"resources":["'
    head += "x" * (-len(head) % 16 + 32)
    before, after = '"]        }},"se', '"],"all":1}},"se'
    body, wanted = (f'{head}{block}ssion_limit":1}}' for block in (before, after))
    assert taken(read_json(body)).arguments.grants.by_action[Action.READ].all is False
    # As luck would have it.
    assert taken(read_json(wanted)).arguments.grants.by_action[Action.READ].all is True
    block, chance, names = len(head) // 16, random.Random(7), 0
    for _ in range(300):
        text = encrypt(body.encode(), KEY, f"{chance.getrandbits(64):016x}")
        forged = forge(text, block, before.encode(), after.encode())
        assert read_ours(forged) == REFUSED
        name = decrypt_block(forged, block - 1).decode("latin-1")
        assert decrypt_block(forged, block) == after.encode()
        names += all(character >= " " and character not in '"\\' for character in name)
    assert 10 < names < 60


def test_blocks_of_two_tokens_make_no_third() -> None:
    one, two = (encrypt(PLAINTEXTS[sdk][0].encode(), KEY, IV) for sdk in ("Ruby", "PHP"))
    for at in range(16, len(one), 32):
        for to in range(16, len(two), 32):
            spliced = read_ours(one[:at] + two[to:])
            same = spliced != REFUSED and taken(spliced) in (taken(read_ours(one)), taken(read_ours(two)))
            assert spliced == REFUSED or same


@given(
    st.text() | st.from_regex(r"\A[0-9a-f]{16}([0-9a-f]{32}){1,6}\Z") | st.binary(max_size=200).map(bytes.hex)
)
def test_total(text: str) -> None:
    assert read_ours(text) == REFUSED


@given(st.binary(max_size=200))
def test_no_plaintext_raises(plaintext: bytes) -> None:
    assert read_json(plaintext) == REFUSED


NUMBER = st.none() | st.integers(0, 10**9)
GRANT = st.builds(
    lambda all, owned, names: {"all": all, "session_owned": owned, "resources": names},
    st.booleans(),
    st.booleans(),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), max_size=3),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "expiration_date": NUMBER,
            "usage_expiration_time": NUMBER,
            "session_limit": NUMBER,
            "volatile": st.booleans(),
            "hidden": st.booleans(),
            "token": st.from_regex(r"\A[A-Za-z0-9._:-]{1,128}\Z"),
            "grants": st.dictionaries(st.sampled_from(["read", "create", "update", "destroy"]), GRANT),
        },
    ),
    st.from_regex(r"\A[A-Za-z0-9._:-]{1,128}\Z"),
    st.binary(min_size=8, max_size=8),
)
def test_what_is_written_is_read(arguments: dict[str, Any], nonce: str, iv: bytes) -> None:
    text = write(arguments, "app é", "key é", iv=iv, nonce=nonce)
    assert text.startswith(iv.hex())
    client = taken(read(text, application_token="app é", key=derive_key("key é")))
    assert client.nonce == client.arguments.nonce == nonce
    for name, value in arguments.items():
        if name == "grants":
            expected = {
                Action(word): Grant(grant["all"], frozenset(grant["resources"]), grant["session_owned"])
                for word, grant in value.items()
            }
            assert dict(client.arguments.grants.by_action) == expected
        else:
            assert getattr(client.arguments, name) == value


def test_writing_what_would_not_be_read() -> None:
    iv = bytes(8)
    assert write({"nonce": "theirs"}, "apptok", "enckey", iv=iv, nonce="1") == write(
        {}, "apptok", "enckey", iv=iv, nonce="1"
    )
    for arguments, nonce, words in (
        ({"session_limit": -1}, "1", "session_limit must be"),
        ({"application_token": "x"}, "1", "arguments must be among"),
        ({}, "", "nonce must be"),
        ({"grants": {"read": {"resources": ["x" * 512] * 20}}}, "1", "at most"),
    ):
        with pytest.raises(ValueError, match=words):
            write(arguments, "apptok", "enckey", iv=iv, nonce=nonce)
    with pytest.raises(ValueError, match="iv must be 8 bytes"):
        write({}, "apptok", "enckey", iv=bytes(16), nonce="1")


def test_the_token_that_it_is() -> None:
    client = taken(read_json(PLAINTEXTS["Ruby"][0]))
    rights = Rights(live=True, copy=True)
    name = token_id("demo", "1795293306123456789")
    assert token_of(client, "demo", rights) == Token(
        application="demo",
        format=Format.ZIGGEO,
        id=name,
        owner=name,
        subject=None,
        warrant=Warrant(grants(read=resources("1234567890")), rights),
        usage_s=86400,
        session_limit=1,
    )
    java = taken(read_json(PLAINTEXTS["Java"][0]))
    assert token_of(java, "demo", Rights()).expires_at == 2_000_000_000
    assert token_of(java, "other", Rights()).id != token_of(java, "demo", Rights()).id


@pytest.mark.parametrize("name", ["session_limit", "usage_expiration_time", "expiration_date"])
def test_a_limit_of_0_leaves_nothing(name: str) -> None:
    """To the store 0 is no limit, and no end."""
    token = token_of(taken(read_json(json.dumps(GOOD | {name: 0}))), "demo", Rights())
    assert token.expires_at == 1
    refusal = check_life(token, Application("demo", Keyring([]), unlimited_ttl=True), 1_800_000_000)
    assert refusal == Deny(Reason.TOKEN_EXPIRED)


def test_nothing_is_shown() -> None:
    assert "apptok" not in repr(taken(read_ours(VECTOR)))


# As an application takes them.

SERVER = "0" * 32
SHOP = Application(
    "shop",
    Keyring([]),
    frozenset({Format.ZIGGEO}),
    max_session_limit=50,
    ziggeo=Ziggeo("apptok", "private key", KEY),
)


def made(**arguments: Any) -> str:
    return write(arguments, "apptok", "enckey", iv=b"12345678", nonce="n1")


def test_a_client_side_token_is_the_applications() -> None:
    read = read_token(made(grants={"read": {"all": True}}), SHOP)
    assert isinstance(read, Token)
    assert (read.id, read.session_limit, read.reference) == (token_id("shop", "n1"), 50, None)
    assert read.warrant.rights == USUAL_RIGHTS
    assert read_token(VECTOR[:-1] + "0", SHOP) == REFUSED
    assert read_token("a.b.c", SHOP) == REFUSED
    assert read_token(VECTOR, Application("shop", Keyring([]), frozenset({Format.ZIGGEO}))) == REFUSED
    assert read_token(VECTOR, Application("shop", Keyring([]))) == REFUSED


def test_beside_the_native_format_a_dot_tells() -> None:
    both = Application("shop", Keyring([]), frozenset({Format.JWT, Format.ZIGGEO}), ziggeo=SHOP.ziggeo)
    assert isinstance(read_token(VECTOR, both), Token)
    refused = read_token("e30.e30.AAAA", both)
    assert isinstance(refused, Deny)
    assert refused == read_token("e30.e30.AAAA", Application("shop", Keyring([])))


def test_a_server_side_token_is_a_name() -> None:
    assert read_token(SERVER, SHOP) == Reference(SERVER)
    for other in (SERVER[1:], SERVER + "0", "A" * 32, "g" * 32, "0" * 31 + "\n"):
        assert read_token(other, SHOP) == REFUSED
    held = Arguments(grants=grants(read=resources("v1")), session_limit=2, expiration_date=9, volatile=True)
    token = Reference(SERVER).resolve(held, "shop", USUAL_RIGHTS)
    assert isinstance(token, Token)
    assert (token.id, token.owner, token.reference) == (token_id("shop", SERVER),) * 2 + (SERVER,)
    assert (token.session_limit, token.expires_at, token.usage_s) == (2, 9, None)
    assert token.warrant == Warrant(grants(read=resources("v1")), USUAL_RIGHTS)


def test_what_is_hidden_is_good_only_for_those_that_refer_to_it() -> None:
    hidden = Arguments(grants=grants(read=Grant(all=True)), hidden=True)
    assert Reference(SERVER).resolve(hidden, "shop", USUAL_RIGHTS) == Deny(Reason.TOKEN_HIDDEN)
    assert read_token(made(hidden=True), SHOP) == Deny(Reason.TOKEN_HIDDEN)
    reference = read_token(made(token=SERVER, hidden=True, grants={"read": {"all": True}}), SHOP)
    assert isinstance(reference, Reference)
    assert isinstance(reference.resolve(hidden, "shop", USUAL_RIGHTS), Token)


@pytest.mark.parametrize(
    ("own", "other", "both", "counts"),
    [
        ({}, {}, (None, None, None), "own"),
        ({"session_limit": 3}, {}, (3, None, None), "own"),
        ({}, {"session_limit": 3}, (3, None, None), "other"),
        ({"session_limit": 2}, {"session_limit": 3}, (2, None, None), "own"),
        ({"session_limit": 0}, {"session_limit": 3}, (0, None, 1), "own"),
        ({"usage_expiration_time": 9, "expiration_date": 5}, {"expiration_date": 7}, (None, 9, 5), "own"),
        ({"usage_expiration_time": 9}, {"usage_expiration_time": 8, "expiration_date": 7}, (None, 8, 7), "own"),
    ],
)
def test_who_refers_to_another_may_what_both_may(
    own: dict[str, Any], other: dict[str, Any], both: tuple[int | None, ...], counts: str
) -> None:
    said = {"read": {"resources": ["v1", "v2"]}, "destroy": {"all": True}}
    reference = read_token(made(token=SERVER, grants=said, **own), SHOP)
    assert isinstance(reference, Reference)
    assert reference.name == SERVER
    held = Arguments(grants=grants(read=resources("v2", "v3"), create=Grant(all=True)), hidden=True, **other)
    token = reference.resolve(held, "shop", Rights(copy=True))
    assert isinstance(token, Token)
    assert token.warrant == Warrant(grants(read=resources("v2")), Rights(copy=True))
    assert (token.session_limit, token.usage_s, token.expires_at) == both
    assert token.owner == token_id("shop", SERVER)
    assert token.id == (token_id("shop", "n1") if counts == "own" else token.owner)
    assert token.reference == SERVER
