"""From a policy file to what runs: the models' values become the core's policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from gate.config.applications import compile_application
from gate.config.complaints import Complaint, complaints, signing_complaints
from gate.config.document import load, render_route
from gate.config.keys import read_keyrings
from gate.config.models import PolicyFile, Stream
from gate.config.values import TcpAddress, UnixAddress
from gate.core import policy as core
from gate.core.credentials import Carrier
from gate.core.keys import Keyring
from gate.core.media import Layout
from gate.errors import ConfigError, Problem
from gate.media.layouts import LAYOUTS, NAMED_ELSEWHERE, HlsLayout, PathLayout
from gate.media.rooms import RoomLayout

Address = TcpAddress | UnixAddress


@dataclass(frozen=True, slots=True)
class Config:
    """A policy file, ready to run. `store` is a URL, or None for the embedded one in `state_dir`.

    `file` is what was read, with its secrets, for those who show it without them.
    """

    file: PolicyFile
    policy: core.Policy
    listen: Address
    admin_listen: Address
    admin_token: str | None
    store: str | None
    state_dir: Path
    ticket_keys: tuple[bytes, ...]
    drain_s: float
    log_format: Literal["text", "json"] = "text"
    log_access: bool = False

    def fixed(self) -> tuple[object, ...]:
        """What a running gate cannot change: it takes a restart."""
        sessions = self.policy.sessions
        return (
            *(self.listen, self.admin_listen, self.store, self.state_dir),
            *(sessions.idle_s, sessions.provisional_s, self.policy.limits),
        )


def load_config(path: Path, environ: Mapping[str, str], files: set[Path] | None = None) -> Config:
    """The policy file at `path`. Raises ConfigError with everything that is wrong with it.

    `files` gets the paths of the files that it names, secrets and keys, also where it is not right.
    """
    keyrings: dict[str, Keyring] = {}

    def check(file: PolicyFile) -> Iterator[Complaint]:
        yield from complaints(file)
        if files is not None:
            keys = [key for application in file.applications.values() for key in application.keys]
            files.update(path.parent / name for key in keys for name in (key.file, key.jwks_file) if name)
        read, wrong = read_keyrings(file, path.parent)
        keyrings.update(read)
        yield from wrong
        if not wrong:
            yield from signing_complaints(file, read)

    file = load(path, PolicyFile, environ=environ, check=check, files=files)
    return compile_config(file, path.parent, keyrings)


def compile_config(file: PolicyFile, folder: Path, keyrings: Mapping[str, Keyring] | None = None) -> Config:
    """`file` as the core's values; relative paths in it are relative to `folder`.

    `keyrings` are the applications' own; without them they are read here. Raises ConfigError.
    """
    if keyrings is None:
        keyrings, wrong = read_keyrings(file, folder)
        if wrong:
            raise ConfigError([Problem(str(folder), 0, 0, render_route(route), text) for route, text in wrong])
    applications = {
        name: compile_application(name, application, keyrings[name])
        for name, application in file.applications.items()
    }
    origins = {
        name: core.Origin(
            name=name,
            url=origin.url,
            connect_timeout_s=origin.connect_timeout,
            response_timeout_s=origin.response_timeout,
        )
        for name, origin in file.origins.items()
    }
    layouts = {
        **LAYOUTS,
        RoomLayout.name: RoomLayout(),
        **{name: PathLayout(name, (form.compiled() for form in forms)) for name, forms in file.layouts.items()},
    }
    sessions, limits = file.sessions, file.limits
    policy = core.Policy(
        rules=tuple(
            _rule(at, stream, applications, origins, layouts) for at, stream in enumerate(file.streams)
        ),
        applications=applications,
        sessions=core.SessionRules(
            prefix=sessions.prefix,
            carrier=sessions.carrier,
            idle_s=sessions.idle,
            provisional_s=sessions.provisional,
            outage_grace_s=sessions.store_outage.running,
            outage_admits=sessions.store_outage.new == "allow",
            ticket_rotation_s=sessions.ticket_rotation,
        ),
        cors=core.Cors(
            frozenset(file.cors.origins), int(file.cors.max_age), credentials=sessions.carrier is Carrier.COOKIE
        ),
        limits=core.Limits(
            target=limits.target,
            header_field=limits.header_field,
            headers=limits.headers,
            header_timeout_s=limits.header_timeout,
            keepalive_s=limits.keepalive,
            connections=limits.connections,
            stall_timeout_s=limits.stall,
            upload=limits.upload,
            manifest=limits.manifest,
            tokens_cached=limits.tokens_cached,
        ),
        proxies=core.Proxies(
            networks=tuple(proxy for proxy in file.trusted_proxies if proxy != "unix"),
            unix="unix" in file.trusted_proxies,
            header=file.forwarded_header,
        ),
        version=_version(file, keyrings),
        rpc=_rpc(file),
        layouts=MappingProxyType(
            {
                name: layout
                for name, layout in layouts.items()
                if name not in {*NAMED_ELSEWHERE, RoomLayout.name}
            }
            | {HlsLayout.name: HlsLayout()}
        ),
    )
    return Config(
        file=file,
        policy=policy,
        listen=file.listen,
        admin_listen=file.admin.listen,
        admin_token=file.admin.token.get_secret_value() if file.admin.token else None,
        store=None if file.store == "embedded" else file.store,
        state_dir=(folder / file.state_dir).absolute(),
        ticket_keys=tuple(
            hashlib.sha256(b"gate ticket secret" + secret.get_secret_value().encode()).digest()
            for secret in sessions.ticket_keys
        ),
        drain_s=file.drain,
        log_format=file.log.format,
        log_access=file.log.access,
    )


def _rpc(file: PolicyFile) -> core.RpcRules | None:
    said = file.rpc
    if said is None:
        return None
    return core.RpcRules(
        application=said.application or next(iter(file.applications)),
        tokens=frozenset(hashlib.sha256(token.get_secret_value().encode()).digest() for token in said.tokens),
        public=said.listener == "public",
        enveloped=said.envelope == "jsonrpc",
        require_stream=said.require_stream,
        whitelist_admits=said.whitelist_admits,
        public_url=said.public_url,
    )


def _rule(
    at: int,
    stream: Stream,
    applications: Mapping[str, core.Application],
    origins: Mapping[str, core.Origin],
    layouts: Mapping[str, Layout],
) -> core.StreamRule:
    application = stream.application or (next(iter(applications)) if len(applications) == 1 else None)
    return core.StreamRule(
        name=f"streams[{at}]",
        pattern=core.Pattern(stream.match),
        access=stream.access,
        origin=origins[stream.origin or next(iter(origins))],
        layout=HlsLayout(stream.timeline) if stream.layout == HlsLayout.name else layouts[stream.layout],
        application=applications[application] if application else None,
        live_edge_s=stream.live_edge,
        strict_windows=stream.window_edge == "strict",
        clips_overrun=stream.on_overrun == "clip",
        foreign=stream.foreign_uris,
        links_files=stream.session_links == "all",
        networks=stream.networks,
        methods=dict(stream.methods),
        created_field=stream.created_field or ("token" if stream.layout == "ziggeo" else None),
    )


def _version(file: PolicyFile, keyrings: Mapping[str, Keyring]) -> str:
    """A short name of this policy: the same file with the same public keys has the same name.

    It says nothing of its secrets.
    """
    said = hashlib.sha256(file.model_dump_json().encode())
    for name, keyring in sorted(keyrings.items()):
        for key in keyring:
            public = b"" if key.algorithm.symmetric else hashlib.sha256(key.material).digest()
            said.update(repr((name, key.kid, key.algorithm.value, public)).encode("utf-8", "backslashreplace"))
    return said.hexdigest()[:12]
