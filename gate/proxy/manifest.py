"""The origin's answer on its way to the client, where the gate looks into it: manifests.

A playlist under a session link streams by, its URIs brought under the link line by line. One that must be
clipped or marked, and every MPD, is read whole first, up to what the policy allows: so no more of a compressed
one is ever unpacked than that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from gate.core.marks import ByteRange
from gate.core.media import Role
from gate.core.policy import Foreign
from gate.core.reasons import Deny, Reason
from gate.core.verdicts import Permit
from gate.errors import OriginError
from gate.media.handing import Handed, hand_out, is_manifest
from gate.media.hls import Incomplete, LongLineError, Rebase, Scanner
from gate.media.links import ForeignUriError, Links
from gate.media.steering import steered
from gate.proxy.coding import coding_of, decoded
from gate.proxy.origin import Reply

# A playlist up to this size is sent with its exact length; a longer one is streamed in chunks.
_LOOK_AHEAD: Final = 65536
# What tells a manifest from anything else, a byte order mark and white space before it included.
_SNIFF: Final = 256
# A manifest that is larger is cut in a thread, so that others are served meanwhile.
_LONG: Final = 256 * 1024
_ETAG: Final = re.compile(r'\*|(?:W/)?("[^"]*")')
# What a steering manifest may be called: by its suffix, or by the type that is registered for it.
_STEERING_ROLES: Final = frozenset({Role.OTHER, Role.OBJECT})
_STEERING: Final = re.compile(rb"json|steering-list", re.IGNORECASE)
# What the origin says of its own bytes.
READ_FIELDS: Final = frozenset({"content-length", "accept-ranges", "content-md5", "digest", "repr-digest"})
_VALIDATORS: Final = frozenset({"etag", "last-modified"})


@dataclass(frozen=True, slots=True)
class Body:
    """What the client gets of an answer: chunks, of which the `length` is known or None; `dropped` are fields
    of the origin's that do not hold for it, `fields` those that do instead. `status` None: the origin's."""

    chunks: AsyncIterator[bytes]
    length: int | None = None
    dropped: frozenset[str] = frozenset()
    fields: tuple[tuple[str, str], ...] = ()
    status: int | None = None


def is_read(permit: Permit) -> bool:
    """Whether the gate looks into the answer for URIs: a manifest, under a session link or to be clipped."""
    return permit.place.facts.role is Role.MANIFEST and bool(permit.prefix or permit.sight)


async def prepare(
    permit: Permit, reply: Reply, links: Links, *, etags: str | None, limit: int, now: float
) -> Body | Deny | Incomplete:
    """What of the reply the client gets.

    `etags` is its If-None-Match field, `limit` how large a manifest may be that is read whole. Incomplete: the
    whole playlist must be asked for. Raises OriginError.
    """
    chunks = reply.chunks()
    held = permit.place.held
    if held not in (None, ByteRange(0, None)) and permit.place.method == "GET" and reply.status == 200:
        # All of the file, where a range of it was asked for.
        return Deny(Reason.ORIGIN_INVALID, "the origin sends no ranges of its files")
    if not is_read(permit) or not _is_manifest_status(permit, reply.status):
        return await _steer(permit, reply, links)
    coded = bool(coding_of(reply.fields))
    dropped = READ_FIELDS | {"content-encoding"} if coded else READ_FIELDS
    if permit.sight is not None:
        dropped |= _VALIDATORS
    if permit.place.method == "HEAD":
        return Body(_nothing(), None, dropped)
    if coded:
        chunks = decoded(chunks)
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= _SNIFF:
            break
    chunks = _chain(head, chunks)
    form = is_manifest(head)
    whole = permit.sight is not None or permit.place.rule.foreign is not Foreign.LEAVE or links.appends
    if form == "hls" and not whole:
        body, length = await _scan(chunks, links.hand_out)
        return Body(body, length, dropped)
    if form is None and permit.sight is None:
        return Body(chunks, None, dropped if coded else frozenset())
    read = await _read(chunks, limit)
    if read is None:
        return Deny(Reason.MANIFEST_TOO_LARGE, f"more than {limit} bytes (limits.manifest)")
    if len(read) > _LONG:
        handed = await asyncio.to_thread(hand_out, read, permit.place, permit.sight, links, now)
    else:
        handed = hand_out(read, permit.place, permit.sight, links, now)
    if not isinstance(handed, Handed):
        return handed
    if permit.sight is None:
        return Body(_once(handed.body), len(handed.body), dropped)
    # The origin's validators say nothing of what is cut by the clock.
    etag = f'"{blake2b(handed.body, digest_size=12).hexdigest()}"'
    fields = (("ETag", etag),)
    if etags is not None and any(found[0] == "*" or found[1] == etag for found in _ETAG.finditer(etags)):
        return Body(_nothing(), None, dropped, fields, 304)
    return Body(_once(handed.body), len(handed.body), dropped, fields)


async def _steer(permit: Permit, reply: Reply, links: Links) -> Body:
    """What is no manifest, as it is; of a steering manifest the URIs are brought under the session."""
    if not permit.prefix or permit.place.facts.role not in _STEERING_ROLES or permit.place.method != "GET":
        return Body(reply.chunks())
    said = {name.lower(): value for name, value in reply.fields}
    kind = said.get(b"content-type", b"")
    # Of JSON that does not say how long it is, the end may be long in coming.
    short = b"steering-list" in kind.lower() or b"content-length" in said
    if reply.status != 200 or not short or not _STEERING.search(kind) or coding_of(reply.fields):
        return Body(reply.chunks())
    body = await reply.peek(_LOOK_AHEAD)
    steering = None
    if len(body) <= _LOOK_AHEAD:
        try:
            steering = steered(body, links.hand_out, links.address, links.location)
        except ForeignUriError:
            steering = None
    if steering is None or steering == body:
        return Body(reply.chunks())
    return Body(_once(steering), len(steering), READ_FIELDS)


def _is_manifest_status(permit: Permit, status: int) -> bool:
    """Whether players take the answer's body for the manifest. What must be clipped never passes for one."""
    return status == 200 or (permit.sight is not None and 200 < status < 300 and status not in (204, 205))


async def _read(chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
    """All of it; None where it is more than `limit` bytes."""
    pieces, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        pieces.append(chunk)
    return b"".join(pieces)


async def _scan(body: AsyncIterator[bytes], rebase: Rebase) -> tuple[AsyncIterator[bytes], int | None]:
    """The scanned body, and its length where all of it was at hand."""
    scanner = Scanner(rebase)
    head = b""
    try:
        while len(head) < _LOOK_AHEAD:
            try:
                chunk = await anext(body)
            except StopAsyncIteration:
                head += scanner.end()
                return _once(head), len(head)
            head += scanner.feed(chunk)
    except LongLineError:
        raise OriginError("the origin's playlist holds an absurdly long line", invalid=True) from None
    return _rest(head, body, scanner), None


async def _rest(head: bytes, body: AsyncIterator[bytes], scanner: Scanner) -> AsyncIterator[bytes]:
    yield head
    async for chunk in body:
        yield scanner.feed(chunk)
    yield scanner.end()


async def _chain(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
