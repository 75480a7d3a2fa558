"""What an answer must be to be read."""

from __future__ import annotations

import pytest

from gate.client.values import (
    Access,
    Dvr,
    MediaUrls,
    TokenInfo,
    read_flags,
    read_media_urls,
    read_page,
    read_stream,
    read_token_info,
)

PLAIN = {
    "uid": "cam1",
    "url": "http://10.0.0.5",
    "layout": "aipix",
    "enable": True,
    "access": {"allow": "protected", "whitelist": ["10.0.0.0/8"]},
    "dvr": {"depth": 60},
    "application": "demo",
    "made_at": 1,
    "changed_at": 2.5,
    "shadowed_by": None,
}


def test_a_stream():
    stream = read_stream({**PLAIN, "more": 1})
    assert (stream.access, stream.dvr) == (Access("protected", ("10.0.0.0/8",)), Dvr(60))
    assert (stream.made_at, stream.changed_at, stream.shadowed_by) == (1.0, 2.5, ())
    assert read_stream({**PLAIN, "dvr": None, "application": None}).dvr == Dvr(None)
    assert read_stream({**PLAIN, "access": {"allow": "none"}}).access == Access("none")
    assert read_stream({**PLAIN, "shadowed_by": ["rule 1: /a/**"]}).shadowed_by == ("rule 1: /a/**",)


@pytest.mark.parametrize(
    "change",
    [
        {"uid": None},
        {"enable": 1},
        {"access": {"allow": "some"}},
        {"access": {"allow": []}},
        {"access": {"allow": "public", "whitelist": [1]}},
        {"access": None},
        {"dvr": {"depth": True}},
        {"dvr": [1]},
        {"made_at": "1"},
        {"changed_at": True},
        {"shadowed_by": 1},
    ],
)
def test_what_is_no_stream(change):
    with pytest.raises(ValueError, match=r".+"):
        read_stream({**PLAIN, **change})
    with pytest.raises(ValueError, match=r".+"):
        read_page({"streams": [{**PLAIN, **change}], "cursor": ""})


def test_what_is_sent():
    assert Access("public").plain() == {"allow": "public", "whitelist": []}
    assert Dvr(60).plain() == {"depth": 60}
    assert Dvr().plain() == {}


def test_media_urls_show_no_token():
    urls = read_media_urls({"a": {"live": "https://g/live/a?token=secret", "x": 1}, "b": False})
    assert urls == {"a": MediaUrls(live="https://g/live/a?token=secret"), "b": None}
    assert str(urls["a"]) == "MediaUrls(live='https://g/live/a', dvr=None, download=None, preview=None)"
    for wrong in ({"a": True}, {"a": None}, {"a": {"live": 1}}, []):
        with pytest.raises(ValueError, match="expected"):
            read_media_urls(wrong)


def test_what_is_told_of_a_token():
    told = read_token_info({"kind": None, "in_force": False, "reason": "token_malformed"})
    assert told == TokenInfo(None, False, "token_malformed")
    for wrong in ({}, {"in_force": 1}, {"in_force": True, "claims": []}, {"in_force": True, "ends_at": "1"}):
        with pytest.raises(ValueError, match="expected"):
            read_token_info(wrong)


def test_flags():
    assert read_flags({"a": True}) == {"a": True}
    with pytest.raises(ValueError, match="expected"):
        read_flags({"a": 1})
