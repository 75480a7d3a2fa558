"""From a policy file to what runs: the models' values become the core's policy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.config.document import load
from gate.config.models import PolicyFile, Stream, complaints
from gate.config.values import TcpAddress, UnixAddress
from gate.core import policy as core
from gate.core.credentials import Sources
from gate.core.keys import Key, Keyring
from gate.core.media import Layout
from gate.media.layouts import LAYOUTS, HlsLayout, PathLayout

Address = TcpAddress | UnixAddress


@dataclass(frozen=True, slots=True)
class Config:
    """A policy file, ready to run. `store` is a URL, or None for the embedded one in `state_dir`."""

    policy: core.Policy
    listen: Address
    admin_listen: Address
    admin_token: str | None
    store: str | None
    state_dir: Path
    ticket_keys: tuple[bytes, ...]
    drain_s: float

    def fixed(self) -> tuple[object, ...]:
        """What a running gate cannot change: it takes a restart."""
        sessions = self.policy.sessions
        return (
            *(self.listen, self.admin_listen, self.store, self.state_dir),
            *(sessions.idle_s, sessions.provisional_s, self.policy.limits),
        )


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The policy file at `path`. Raises ConfigError with everything that is wrong with it."""
    return compile_config(load(path, PolicyFile, environ=environ, check=complaints), path.parent)


def compile_config(file: PolicyFile, folder: Path) -> Config:
    """`file` as the core's values; relative paths in it are relative to `folder`."""
    applications = {
        name: core.Application(
            name=name,
            keyring=Keyring(
                Key(key.kid, key.algorithm, key.secret.get_secret_value().encode()) for key in application.keys
            ),
            formats=frozenset(application.formats),
            sources=Sources(
                query=frozenset(application.sources.query),
                headers=frozenset(header.lower() for header in application.sources.headers),
                cookies=frozenset(application.sources.cookies),
            ),
            max_ttl_s=application.max_ttl,
            unlimited_ttl=application.unlimited_ttl,
            leeway_s=application.leeway,
            on_limit=application.on_limit,
            session_end=application.session_end,
            max_usage_s=None if application.max_usage is None else int(application.max_usage),
        )
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
            idle_s=sessions.idle,
            provisional_s=sessions.provisional,
            outage_grace_s=sessions.store_outage.running,
            outage_admits=sessions.store_outage.new == "allow",
            ticket_rotation_s=sessions.ticket_rotation,
        ),
        cors=core.Cors(frozenset(file.cors.origins), int(file.cors.max_age)),
        limits=core.Limits(
            target=limits.target,
            header_field=limits.header_field,
            headers=limits.headers,
            header_timeout_s=limits.header_timeout,
            keepalive_s=limits.keepalive,
            connections=limits.connections,
            stall_timeout_s=limits.stall,
            upload=limits.upload,
            tokens_cached=limits.tokens_cached,
        ),
        version=_version(file),
    )
    return Config(
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
        layout=layouts[stream.layout] if stream.timeline is None else HlsLayout(stream.timeline),
        application=applications[application] if application else None,
        live_edge_s=stream.live_edge,
        strict_windows=stream.window_edge == "strict",
        networks=stream.networks,
        methods=dict(stream.methods),
        created_field=stream.created_field,
    )


def _version(file: PolicyFile) -> str:
    """A short name of this policy: the same file has the same name, and it says nothing of its secrets."""
    return hashlib.sha256(file.model_dump_json().encode()).hexdigest()[:12]
