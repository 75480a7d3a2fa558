"""What is wrong with a policy file whose values are each right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gate.config.models import Application, Key, PolicyFile, Stream
from gate.config.values import TcpAddress, is_loopback
from gate.core.keys import Algorithm, Keyring
from gate.core.policy import AUTHTOKENS, ROOM_PATHS, RPC_PATH, Access, Pattern, SessionEnd
from gate.core.token import Format
from gate.formats.signatures import UnfitKeyError, check_material
from gate.media.layouts import LAYOUTS, NAMED_BY_RULE, HlsLayout
from gate.media.rooms import PARTS, RoomLayout

BUILT_IN: Final = (*LAYOUTS, HlsLayout.name, RoomLayout.name)
# What access tokens of the RPC say; iss and aud where the application accepts some only.
MINTED_CLAIMS: Final = ("jti", "iat", "grants")

Complaint = tuple[tuple[str | int, ...], str]
"""Where in the file, and a sentence."""


def complaints(policy: PolicyFile) -> Iterator[Complaint]:
    """Everything that is wrong between the values of `policy`, as far as no other file need be read for it."""
    for name, application in policy.applications.items():
        usage = application.session_end is SessionEnd.USAGE and Format.VIDEOSDK not in application.formats
        if usage and application.max_usage is None:
            yield ("applications", name), "session_end usage needs max_usage"
        if Format.JWT in application.formats and not application.keys and not application.jwks:
            yield ("applications", name), "an application needs keys: name some in keys, or their URL in jwks"
        yield from _ziggeo_complaints(policy, name, application)
        yield from _videosdk_complaints(policy, name, application)
        named = [(source.url, source.algorithm) for source in application.jwks]
        for at, source in enumerate(named):
            if source in named[:at]:
                yield ("applications", name, "jwks", at), "this URL is there already, for the same keys"
        for at, key in enumerate(application.keys):
            place = ("applications", name, "keys", at)
            yield from ((place + route, text) for route, text in _key_complaints(key))
    for name in policy.layouts:
        if name in BUILT_IN:
            yield ("layouts", name), "this is the name of a layout that is built in"
    for at, stream in enumerate(policy.streams):
        yield from _stream_complaints(policy, at, stream)
    yield from _rpc_complaints(policy)
    for at, secret in enumerate(policy.sessions.ticket_keys):
        if len(secret.get_secret_value().encode()) < 32:
            yield ("sessions", "ticket_keys", at), "a secret for tickets needs at least 32 bytes"
    listen = policy.admin.listen
    if isinstance(listen, TcpAddress) and policy.admin.token is None and not is_loopback(listen.host):
        yield ("admin", "listen"), "beyond the loopback interface the admin listener needs a token"


def _ziggeo_complaints(policy: PolicyFile, name: str, application: Application) -> Iterator[Complaint]:
    ours = application.ziggeo
    if (ours is not None) != (Format.ZIGGEO in application.formats):
        lacking = "ziggeo among its formats" if ours is not None else "a section ziggeo, with its credentials"
        yield ("applications", name), f"an application of Ziggeo's needs {lacking}"
    if ours is None:
        return
    for other, same in policy.applications.items():
        if other == name:
            break
        if same.ziggeo is not None and same.ziggeo.application_token == ours.application_token:
            yield ("applications", name, "ziggeo", "application_token"), f"this is the one of {other}"
    for field in ("issuers", "audiences", "required_claims", "require_bind"):
        if getattr(application, field):
            yield ("applications", name, field), "no token of Ziggeo's can say it: all would be refused"


def _videosdk_complaints(policy: PolicyFile, name: str, application: Application) -> Iterator[Complaint]:
    ours = application.videosdk
    if (ours is not None) != (Format.VIDEOSDK in application.formats):
        lacking = "videosdk among its formats" if ours is not None else "a section videosdk, with its API keys"
        yield ("applications", name), f"an application of VideoSDK's needs {lacking}"
    if ours is None:
        return
    if not ours.keys and not ours.key_secrets:
        text = "without keys nothing verifies: name some, or key_secrets for those that are made at runtime"
        yield ("applications", name, "videosdk"), text
    taken: dict[str, str] = {}
    for other, same in policy.applications.items():
        if other == name:
            break
        taken |= {each.key: other for each in (() if same.videosdk is None else same.videosdk.keys)}
    for at, key in enumerate(ours.keys):
        place = ("applications", name, "videosdk", "keys", at)
        if (owner := taken.get(key.key)) is not None:
            told = "this API key is there already" if owner == name else f"this is an API key of {owner}"
            yield (*place, "key"), told
        taken.setdefault(key.key, name)
        try:
            check_material(Algorithm.HS256, key.secret.get_secret_value().encode())
        except UnfitKeyError as error:
            # How a key file is brought in is said of another place.
            yield (*place, "secret"), str(error).partition(":")[0]
    for field in ("issuers", "audiences", "require_bind"):
        if getattr(application, field):
            yield ("applications", name, field), "no token of VideoSDK's can say it: all would be refused"


def _rpc_complaints(policy: PolicyFile) -> Iterator[Complaint]:
    rpc = policy.rpc
    if rpc is None:
        return
    if rpc.application is None and len(policy.applications) > 1:
        yield ("rpc",), "there are several applications: name one"
        return
    application = policy.applications.get(rpc.application or next(iter(policy.applications)))
    if application is None:
        known = ", ".join(policy.applications)
        yield ("rpc", "application"), f"there is no application of this name; known are {known}"
        return
    if Format.JWT not in application.formats:
        yield ("rpc",), "the tokens that it makes are of the format jwt, which its application does not accept"
    if application.require_bind:
        yield ("rpc",), "its application requires tokens to be bound (require_bind), and those are not"
    lacking = set(application.required_claims) - set(MINTED_CLAIMS)
    for claim, parties in (("iss", application.issuers), ("aud", application.audiences)):
        if parties:
            lacking.discard(claim)
    if lacking:
        named = ", ".join(sorted(lacking))
        yield ("rpc",), f"its application requires claims that the tokens that it makes have not: {named}"
    listen = policy.admin.listen
    if not rpc.tokens and policy.admin.token is None and isinstance(listen, TcpAddress):
        yield ("rpc",), "nobody could call it: name some tokens, or set admin.token for whoever makes them"


def signing_complaints(policy: PolicyFile, keyrings: Mapping[str, Keyring]) -> Iterator[Complaint]:
    """What is wrong with `policy` now that its keys are read."""
    if policy.rpc is None:
        return
    name = policy.rpc.application or next(iter(policy.applications))
    if name in keyrings and not any(key.signs for key in keyrings[name]):
        yield ("rpc",), f"no key of the application {name} can sign: access tokens cannot be made"


def _key_complaints(key: Key) -> Iterator[Complaint]:
    """What is wrong with a key that its file need not be read for."""
    if [key.secret, key.file, key.jwks_file].count(None) != 2:
        yield (), "a key is one of secret, file and jwks_file"
    elif key.secret is not None:
        algorithm = key.algorithm or Algorithm.HS256
        if key.kid is None:
            yield (), "a secret needs a kid"
        if not algorithm.symmetric:
            yield ("algorithm",), f"{algorithm.value} needs a public key: bring it in with file"
    elif key.jwks_file is not None and key.kid is not None:
        yield ("kid",), "the keys of a set have their own kid"


def _stream_complaints(policy: PolicyFile, at: int, stream: Stream) -> Iterator[Complaint]:
    for field, known in (("application", policy.applications), ("origin", policy.origins)):
        named = getattr(stream, field)
        if (
            named is None
            and len(known) > 1
            and not (field == "application" and stream.access is not Access.PRIVATE)
        ):
            yield ("streams", at), f"there are several {field}s: name one"
        elif named is not None and named not in known:
            yield ("streams", at, field), f"there is no {field} of this name; known are {', '.join(known)}"
    known_layouts = (*BUILT_IN, *policy.layouts)
    names = Pattern(stream.match).names
    if stream.layout not in known_layouts:
        yield ("streams", at, "layout"), f"there is no such layout; known are {', '.join(known_layouts)}"
    elif stream.layout in policy.layouts and "resource" not in names:
        for form in policy.layouts[stream.layout]:
            if "resource" not in form.compiled().parts:
                yield ("streams", at, "match"), f"neither it nor {form.url} names the {{resource}}"
    if stream.timeline is not None and stream.layout != HlsLayout.name:
        yield ("streams", at, "timeline"), "timeline goes with layout hls only"
    if stream.layout in NAMED_BY_RULE and "resource" not in names:
        yield (
            ("streams", at, "match"),
            f"with layout {stream.layout} it names the {{resource}}: /{{resource}}/**",
        )
    if stream.layout == RoomLayout.name and not set(PARTS) <= set(names):
        named = "/".join(f"{{{part}}}" for part in PARTS)
        yield ("streams", at, "match"), f"with layout {RoomLayout.name} it names {named}: /rooms/{named}/**"
    if (stream.access is Access.PROTECTED) != bool(stream.networks):
        yield ("streams", at), "networks go with access protected, and it needs them"
    own = [policy.sessions.prefix]
    if any(application.ziggeo is not None for application in policy.applications.values()):
        own.append(AUTHTOKENS)
    if any(application.videosdk is not None for application in policy.applications.values()):
        own += ROOM_PATHS
    if policy.rpc is not None and policy.rpc.listener == "public":
        own.append(RPC_PATH)
    for prefix in own:
        if stream.match == prefix.rstrip("/") or stream.match.startswith(prefix):
            yield ("streams", at, "match"), f"{prefix} is the gate's own path"
