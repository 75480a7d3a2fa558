"""Sessions that travel in the query or in a cookie, with real players' ways of repeating them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar, web
from yarl import URL

from tests.proxy.playlists import Site, at, entries, media, media_of, numbers, uris

STREAMS = [{"match": "/{resource}/**", "layout": "unified"}]
ALL = {"live": True, "dvr": True, "copy": True}
both = pytest.mark.parametrize("claims", [{}, ALL], ids=["live", "unrestricted"])

MASTER = """#EXTM3U
#EXT-X-DEFINE:NAME="way",VALUE="media"
#EXT-X-DEFINE:NAME="cdn",VALUE="https://cdn.example"
#EXT-X-CONTENT-STEERING:SERVER-URI="/cam1/steering.json",PATHWAY-ID="a"
#EXT-X-SESSION-DATA:DATA-ID="x",URI="data.json"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="audio.m3u8?lang=%65n&x"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="iframes.m3u8#top"
#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"
media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3,AUDIO="a"
/cam1/media.m3u8?hd#frag
#EXT-X-STREAM-INF:BANDWIDTH=4,AUDIO="a"
{$way}.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5,AUDIO="a"
https://cdn.example/cam1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=6,AUDIO="a"
{$cdn}/cam1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=7,AUDIO="a"
\\\\cdn.example\\cam1\\media.m3u8
"""
HEAD = (
    '#EXT-X-KEY:METHOD=AES-128,URI="key1.bin?id=7"',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"',
    '#EXT-X-MAP:URI="init.mp4"',
)


def fill(site: Site) -> Site:
    site.put("/cam1/index.m3u8", MASTER)
    text = media(1, 15, time.time() - 60, head=HEAD)
    # An absolute one, and one with a query and a fragment.
    text = text.replace("seg14.ts", f"{site.url}/cam1/seg14.ts").replace("seg15.ts", "seg15.ts?a=%2F&b#t=1")
    for name in ("media", "audio", "iframes"):
        site.put(f"/cam1/{name}.m3u8", text)
    return site


@pytest.fixture
async def site(start_origin: Any) -> Site:
    site = Site()
    site.url, site.seen = await start_origin(site.serve)
    return fill(site)


Start = Callable[..., Awaitable[Any]]


@pytest.fixture
def start(start_gate: Any, site: Site) -> Start:
    """`start(carrier)` starts a gate whose sessions travel so."""

    async def start(carrier: str, **policy: Any) -> Any:
        return await start_gate(site.url, **{"streams": STREAMS, "sessions": {"carrier": carrier}, **policy})

    return start


def secrets_in(site: Site) -> list[Any]:
    """What of the origin's requests holds a credential, or a mark."""
    return [one for one in site.seen if re.search("_gate|token=|eyJ|Bearer", f"{one.target} {one.headers}")]


# The query.

TICKET = re.compile(r"[?&]_gate_session=([A-Za-z0-9_-]+)(?=#|\Z)")


async def play(ask: Any, gate: Any, link: str) -> list[str]:
    """Plays everything that can be reached, as a player does; gives the targets that were asked for."""
    asked, left = [], [link]
    while left:
        target = left.pop(0)
        if target in asked:
            continue
        asked.append(target)
        got = await ask(gate, target)
        assert (got.status, got.reason) == (200, None), (target, got.body)
        if got.body.startswith(b"#EXTM3U"):
            names = (at(target, uri) for uri in uris(got.body) if "{$" not in uri and "\\" not in uri)
            left += [name for name in names if name.startswith("/")]
        else:
            path = re.sub(r"\A/_s/[^/]+|\?.*", "", target)
            assert got.body == media_of(path)
    return asked


@both
async def test_every_uri_carries_it(start: Start, site: Site, ask: Any, claims: dict[str, Any]) -> None:
    gate = await start("query")
    token = gate.token("cam1", **claims)
    got = await ask(gate, f"/cam1/index.m3u8?x=1&token={token}")
    assert got.status == 302
    assert "Set-Cookie" not in got.headers
    link = got.headers["Location"]
    found = TICKET.search(link)
    assert found is not None
    assert link == f"/cam1/index.m3u8?x=1{found[0]}"
    ticket = found[1]
    master = (await ask(gate, link)).body.decode()
    assert uris(master.encode()) == [
        f"/cam1/steering.json?{mark(master, 'steering.json')}_gate_session={ticket}",
        f"data.json?{mark(master, 'data.json')}_gate_session={ticket}",
        f"audio.m3u8?lang=%65n&x&_gate_session={ticket}",
        f"iframes.m3u8?_gate_session={ticket}#top",
        f"media.m3u8?_gate_session={ticket}",
        f"/cam1/media.m3u8?hd&_gate_session={ticket}#frag",
        f"{{$way}}.m3u8?_gate_session={ticket}",
        # A ticket is a secret: nobody else gets it.
        "https://cdn.example/cam1/media.m3u8",
        "{$cdn}/cam1/media.m3u8",
        "\\\\cdn.example\\cam1\\media.m3u8",
    ]
    body = (await ask(gate, at(link, f"media.m3u8?_gate_session={ticket}"))).body
    assert 'URI="skd://key"' in body.decode()
    assert all(TICKET.search(uri) for uri in uris(body) if not uri.startswith("skd:"))
    assert re.search(rf'URI="key1.bin\?id=7(&_gate=[\w-]+)?&_gate_session={ticket}"', body.decode())
    assert re.fullmatch(rf"/cam1/seg14.ts\?(_gate=[\w-]+&)?_gate_session={ticket}", entries(body)[-2])
    last = rf"seg15.ts\?a=%2F&b(&_gate=[\w-]+)?&_gate_session={ticket}#t=1"
    assert re.fullmatch(last, entries(body)[-1])
    asked = await play(ask, gate, link)
    assert len(asked) > 20
    assert {one.target for one in site.seen} >= {
        *("/cam1/index.m3u8?x=1", "/cam1/audio.m3u8?lang=%65n&x", "/cam1/media.m3u8?hd", "/cam1/key1.bin?id=7"),
        *("/cam1/seg15.ts?a=%2F&b", "/cam1/seg14.ts", "/cam1/seg1.ts"),
    }
    assert secrets_in(site) == []


def mark(master: str, name: str) -> str:
    """The mark of that name with its separator, where there is one."""
    found = re.search(rf"{re.escape(name)}\?(_gate=[\w-]+&)?", master)
    return (found and found[1]) or ""


async def test_without_it_there_is_no_session(start: Start, ask: Any) -> None:
    gate = await start("query")
    link = (await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1')}")).headers["Location"]
    for target, status, reason in (
        ("/cam1/seg1.ts", 401, "token_missing"),
        ("/cam1/seg1.ts?_gate_session=", 401, "token_missing"),
        ("/cam1/seg1.ts?_gate_session=junk", 401, "ticket_invalid"),
        (f"{link}x", 401, "ticket_invalid"),
        (f"{link}&_gate_session=junk", 400, "ambiguous_credentials"),
        (f"/_s/x{link}", 401, "ticket_invalid"),
    ):
        got = await ask(gate, target)
        assert (got.status, got.reason) == (status, reason), target
    assert (await ask(gate, f"{link}&{link.partition('?')[2]}")).status == 200, "the same one twice is one"
    ticket = TICKET.search(link)
    assert ticket is not None
    got = await ask(gate, f"/cam1/media.m3u8?%5Fgate_session={ticket[1]}")
    assert (got.status, got.reason) == (401, "token_missing"), "it is spelled as it was handed out"


async def test_a_link_in_the_path_is_one_as_well(start: Start, ask: Any) -> None:
    """Of a time when the policy said so, or of another gate on the store."""
    gate = await start("query")
    link = (await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1')}")).headers["Location"]
    found = TICKET.search(link)
    assert found is not None
    got = await ask(gate, f"/_s/{found[1]}/cam1/media.m3u8")
    assert got.status == 200
    assert "_gate_session" not in got.body.decode()
    assert (await ask(gate, at(f"/_s/{found[1]}/cam1/media.m3u8", entries(got.body)[0]))).status == 200


@both
async def test_a_redirect_carries_it(start: Start, site: Site, ask: Any, claims: dict[str, Any]) -> None:
    gate = await start("query")
    token = gate.token("cam1", **claims)
    link = (await ask(gate, f"/cam1/index.m3u8?token={token}")).headers["Location"]
    ticket = TICKET.search(link)
    assert ticket is not None
    for said, handed in (
        ("/cam1/media.m3u8", f"/cam1/media.m3u8?_gate_session={ticket[1]}"),
        (f"{site.url}/cam1/media.m3u8?a#b", f"/cam1/media.m3u8?a&_gate_session={ticket[1]}#b"),
        ("media.m3u8", f"media.m3u8?_gate_session={ticket[1]}"),
        ("https://cdn.example/media.m3u8", "https://cdn.example/media.m3u8"),
        ("//cdn.example/media.m3u8", "//cdn.example/media.m3u8"),
    ):
        site.put("/cam1/index.m3u8", lambda _, said=said: web.Response(status=302, headers={"Location": said}))
        got = await ask(gate, link)
        assert (got.status, got.headers["Location"]) == (302, handed)


async def test_a_window_holds_in_the_query(start: Start, site: Site, ask: Any) -> None:
    gate = await start("query")
    begin = int(time.time()) - 4000
    site.put("/cam1/index.m3u8", media(1, 900, begin, ended=True, head=HEAD))
    claims = {"live": None, "dvr": True, "from": begin + 400, "to": begin + 440}
    link = (await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1', **claims)}")).headers["Location"]
    body = (await ask(gate, link)).body
    assert numbers(body) == list(range(101, 111))
    assert len(await play(ask, gate, link)) == 13
    assert secrets_in(site) == []
    ticket = TICKET.search(link)
    assert ticket is not None
    got = await ask(gate, f"/cam1/seg99.ts?_gate_session={ticket[1]}")
    assert (got.status, got.reason) == (403, "time_unknown")


# Cookies.


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[ClientSession]:
    """A client that keeps cookies and follows redirects, as browsers do."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True), requote_redirect_url=False) as session:
        yield session


async def visit(browser: ClientSession, url: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    async with browser.request(method, URL(url, encoded=True), **options) as answer:
        return answer.status, await answer.read()


async def watch(browser: ClientSession, gate: Any, target: str, **options: Any) -> list[str]:
    """Everything that can be reached from a playlist; gives the targets that were asked for."""
    asked: list[str] = []
    left = [target]
    while left:
        target = left.pop(0)
        if target in asked:
            continue
        asked.append(target)
        status, body = await visit(browser, gate.url + target, **options)
        assert status == 200, (target, body)
        if body.startswith(b"#EXTM3U"):
            names = (at(target, uri) for uri in uris(body) if "{$" not in uri and "\\" not in uri)
            left += [name for name in names if name.startswith("/")]
    return asked


@both
async def test_a_cookie_plays_everything(
    start: Start, site: Site, ask: Any, browser: ClientSession, claims: dict[str, Any]
) -> None:
    gate = await start("cookie")
    token = gate.token("cam1", **claims)
    got = await ask(gate, f"/cam1/index.m3u8?x=%2F&token={token}&y")
    assert (got.status, got.headers["Location"]) == (302, "/cam1/index.m3u8?x=%2F&y")
    said = re.fullmatch(
        r"_gate_session=[\w-]+; Path=/cam1/; HttpOnly; Max-Age=(\d+); SameSite=Lax", got.headers["Set-Cookie"]
    )
    assert said is not None
    assert 3590 < int(said[1]) <= 3600
    asked = await watch(browser, gate, f"/cam1/index.m3u8?token={token}")
    assert len(asked) > 20
    assert "_gate_session" not in "".join(asked)
    status, body = await visit(browser, f"{gate.url}/cam1/media.m3u8")
    assert status == 200
    assert entries(body)[-2].startswith("/cam1/seg14.ts"), "under no prefix"
    assert secrets_in(site) == []
    assert all("Cookie" not in one.headers for one in site.seen)
    # Another stream's path gets no cookie.
    assert (await visit(browser, f"{gate.url}/cam2/index.m3u8"))[0] == 401


async def test_other_cookies_are_the_origins(start: Start, site: Site, ask: Any) -> None:
    gate = await start("cookie")
    got = await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1')}")
    own = got.headers["Set-Cookie"].partition(";")[0]
    for said in (f"a=1; {own}; b=2", f"a=1;{own};b=2", f"{own}; a=1; b=2", f"a=1; b=2; {own}"):
        assert (await ask(gate, "/cam1/index.m3u8", headers={"Cookie": said})).status == 200
        assert site.seen[-1].headers["Cookie"] in ("a=1; b=2", "a=1;b=2")
    assert secrets_in(site) == []


async def test_behind_https_it_is_for_https_alone(start: Start, ask: Any) -> None:
    gate = await start("cookie", trusted_proxies=["127.0.0.0/8"])
    target = f"/cam1/index.m3u8?token={gate.token('cam1')}"
    got = await ask(gate, target, headers={"X-Forwarded-Proto": "https"})
    assert got.headers["Set-Cookie"].endswith("; Secure; SameSite=None")
    got = await ask(gate, target, headers={"X-Forwarded-Proto": "http"})
    assert got.headers["Set-Cookie"].endswith("; SameSite=Lax")


async def test_nobody_else_says_that_it_is_https(start: Start, ask: Any) -> None:
    gate = await start("cookie")
    target = f"/cam1/index.m3u8?token={gate.token('cam1')}"
    got = await ask(gate, target, headers={"X-Forwarded-Proto": "https", "Forwarded": "proto=https"})
    assert "Secure" not in got.headers["Set-Cookie"]


async def test_a_new_token_opens_a_session_of_its_own(start: Start, browser: ClientSession, ask: Any) -> None:
    gate = await start("cookie")
    first = gate.token("cam1", jti="one")
    assert (await visit(browser, f"{gate.url}/cam1/index.m3u8?token={first}"))[0] == 200
    before = browser.cookie_jar.filter_cookies(URL(f"{gate.url}/cam1/"))["_gate_session"].value
    second = gate.token("cam1", jti="two", dvr=True, copy=True)
    status, _ = await visit(browser, f"{gate.url}/cam1/index.m3u8?token={second}")
    assert status == 200
    after = browser.cookie_jar.filter_cookies(URL(f"{gate.url}/cam1/"))["_gate_session"].value
    assert before != after
    assert len(numbers((await visit(browser, f"{gate.url}/cam1/media.m3u8"))[1])) == 15
    # A token that grants less is a say as well: it is not the old cookie that decides.
    third = gate.token("cam2", jti="three")
    assert (await visit(browser, f"{gate.url}/cam1/index.m3u8?token={third}"))[0] == 403


async def test_a_token_on_every_request_opens_one_session(
    start: Start, browser: ClientSession, http: ClientSession, site: Site
) -> None:
    gate = await start("cookie")
    said = {"Authorization": f"Bearer {gate.token('cam1', session_limit=1)}"}
    asked = await watch(browser, gate, "/cam1/index.m3u8", headers=said, max_redirects=2)
    assert len(asked) > 20
    assert secrets_in(site) == []


@pytest.mark.parametrize("value", ["junk", "A" * 200, "", '"'])
async def test_an_invalid_cookie_is_none(start: Start, ask: Any, value: str) -> None:
    gate = await start("cookie")
    said = {"Cookie": f"_gate_session={value}"}
    got = await ask(gate, "/cam1/index.m3u8", headers=said)
    assert got.status == 401
    assert got.reason in ("ticket_invalid", "token_missing")
    got = await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1')}", headers=said)
    assert (got.status, "Set-Cookie" in got.headers) == (302, True), "an old cookie is no say against a token"


async def test_a_cookie_whose_session_is_over(start: Start, ask: Any) -> None:
    gate = await start("cookie")
    token = gate.token("cam1", exp=int(time.time()) + 1)
    got = await ask(gate, f"/cam1/index.m3u8?token={token}")
    said = {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}
    assert (await ask(gate, "/cam1/index.m3u8", headers=said)).status == 200
    deadline = time.monotonic() + 5
    while (await ask(gate, "/cam1/media.m3u8", headers=said)).status == 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    got = await ask(gate, "/cam1/index.m3u8", headers=said)
    assert (got.status, got.reason) == (401, "session_expired")
    fresh = gate.token("cam1")
    got = await ask(gate, f"/cam1/index.m3u8?token={fresh}", headers=said)
    assert (got.status, "Set-Cookie" in got.headers) == (302, True)


async def test_of_two_cookies_the_first_counts(start: Start, ask: Any) -> None:
    """Browsers send first what has the longest path, as where a stream's name goes on behind another's."""
    gate = await start("cookie")
    got = await ask(gate, f"/cam1/index.m3u8?token={gate.token('cam1')}")
    own = got.headers["Set-Cookie"].partition(";")[0]
    got = await ask(gate, "/cam1/index.m3u8", headers={"Cookie": f"{own}; _gate_session=junk"})
    assert got.status == 200
    got = await ask(gate, "/cam1/index.m3u8", headers={"Cookie": f"_gate_session=junk; {own}"})
    assert (got.status, got.reason) == (401, "ticket_invalid")


async def test_a_cookie_lets_nobody_write(start: Start, site: Site, ask: Any) -> None:
    """Any page can have a browser send its cookies along."""
    gate = await start("cookie", streams=[{"match": "/{resource}/**", "layout": "object"}])
    site.put("/cam1/file.mp4", lambda _: web.Response(status=201))
    grants = {action: {"all": True} for action in ("read", "create", "update", "destroy")}
    token = gate.token(grants=grants)
    got = await ask(gate, f"/cam1/other.mp4?token={token}")
    said = {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}
    assert (await ask(gate, "/cam1/other.mp4", headers=said)).status == 200
    asked = len(site.seen)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        got = await ask(gate, "/cam1/file.mp4", method, headers=said)
        assert (got.status, got.reason) == (401, "token_missing"), method
    assert len(site.seen) == asked
    for cookies in (said, {}):
        headers = {"Authorization": f"Bearer {token}", **cookies}
        got = await ask(gate, "/cam1/file.mp4", "PUT", headers=headers, data=b"x")
        assert (got.status, got.reason) == (201, None)
    assert secrets_in(site) == []


async def test_a_browser_of_another_site_may_send_it(start: Start, ask: Any) -> None:
    """To pages that the policy names, and with their names: a star is not read where cookies are sent."""
    gate = await start("cookie", cors={"origins": ["https://page.example"]})
    got = await ask(
        gate, f"/cam1/index.m3u8?token={gate.token('cam1')}", headers={"Origin": "https://page.example"}
    )
    assert got.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert got.headers["Access-Control-Allow-Credentials"] == "true"


async def test_the_folder_beside_the_manifest_gets_it(start: Start, site: Site, browser: ClientSession) -> None:
    gate = await start("cookie", streams=[{"match": "/live/{resource}/**", "layout": "unified"}])
    site.put("/live/cam1/hd/index.m3u8", media(1, 15, time.time() - 60, name=lambda n: (f"../seg{n}.ts",)))
    asked = await watch(browser, gate, f"/live/cam1/hd/index.m3u8?token={gate.token('cam1')}")
    assert len(asked) == 16


async def test_streams_side_by_side_have_a_cookie_each(
    start: Start, site: Site, browser: ClientSession
) -> None:
    gate = await start("cookie")
    for name in ("cam1", "cam2"):
        site.put(f"/{name}/index.m3u8", media(1, 15, time.time() - 60))
        assert (await visit(browser, f"{gate.url}/{name}/index.m3u8?token={gate.token(name)}"))[0] == 200
    for name in ("cam1", "cam2"):
        await watch(browser, gate, f"/{name}/index.m3u8")


async def test_a_window_holds_beside_a_cookie(start: Start, site: Site, browser: ClientSession) -> None:
    gate = await start("cookie")
    begin = int(time.time()) - 4000
    site.put("/cam1/index.m3u8", media(1, 900, begin, ended=True, head=HEAD))
    claims = {"live": None, "dvr": True, "from": begin + 400, "to": begin + 440}
    assert len(await watch(browser, gate, f"/cam1/index.m3u8?token={gate.token('cam1', **claims)}")) == 13
    assert (await visit(browser, f"{gate.url}/cam1/seg99.ts"))[0] == 403
    assert secrets_in(site) == []
