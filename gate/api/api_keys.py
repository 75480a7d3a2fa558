"""API keys of VideoSDK's over the admin API: made, listed, disabled and deleted, on every gate at once.

A secret is told once, to who has the key made. A key that is disabled or deleted verifies no token any more;
sessions that its tokens have opened go on.
"""

from __future__ import annotations

import logging
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from gate.api.answers import Done, Fault, Outcome
from gate.api.call import Call, read_flag, read_limit
from gate.core.policy import Application, VideoSdk
from gate.core.sealed_secret import NONCE, seal_secret
from gate.errors import StoreFull, UsageError
from gate.store.api_keys import ApiKeys, StoredKey

PAGE: Final = 100
LONGEST_PAGE: Final = 1000
# As long as the vendor's, and written as they are.
_SECRET_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_log: Final = logging.getLogger("gate.api")


class ApiKeysApi:
    """Manages API keys. Every method raises UsageError, StoreUnavailable or StoreError."""

    def __init__(
        self,
        keys: ApiKeys,
        applications: Callable[[], Mapping[str, Application]],
        own: Callable[[], Mapping[str, VideoSdk]],
        learn: Callable[[Iterable[str]], Awaitable[None]],
    ) -> None:
        """`applications` gives those of the policy, with all their keys, `own` what the policy alone says of
        those of VideoSDK's; `learn` waits until this gate knows what has become of keys."""
        self._keys = keys
        self._applications = applications
        self._own = own
        self._learn = learn

    async def create(self, call: Call) -> Outcome:
        """A new key, enabled, with its secret, which nobody is told again."""
        call.parameters()
        call.fields()
        application = self._find(call.name)
        if isinstance(application, Fault):
            return application
        name, videosdk = application
        if not videosdk.sealing:
            detail = f"the policy names no key_secrets for the application {name}: nothing seals a secret"
            return Fault(HTTPStatus.CONFLICT, "no_key_secrets", detail)
        key, secret = str(uuid.uuid4()), secrets.token_hex(_SECRET_BYTES)
        sealed = seal_secret(videosdk.sealing, name, key, secret.encode(), secrets.token_bytes(NONCE))
        try:
            made = await self._keys.put(name, key, sealed)
        except StoreFull as error:
            return Fault(HTTPStatus.CONFLICT, "too_many_keys", str(error))
        if made is None:
            # Nobody else draws the same 122 bits: somebody has deleted it before its answer came.
            return _unknown(name, key)
        await self._learn([key])
        _log.warning("API key %s of %s made", key, name)
        return Done({**self._shown(made), "secret": secret}, HTTPStatus.CREATED)

    async def list(self, call: Call) -> Outcome:
        """A page of the application's keys by id, those of the policy too; never a secret."""
        asked = call.parameters("limit", "cursor")
        limit = read_limit(asked, PAGE, LONGEST_PAGE)
        application = self._find(call.name)
        if isinstance(application, Fault):
            return application
        name, videosdk = application
        found = {
            key: self._shown(entry)
            for key, entry in (await self._keys.read_all()).items()
            if isinstance(entry, StoredKey) and entry.application == name
        }
        found |= {key: self._shown_own(name, key) for key in videosdk.keys}
        after = asked.get("cursor", "")
        ids = sorted(key for key in found if key > after)
        page = [found[key] for key in ids[:limit]]
        return Done({"keys": page, "cursor": ids[limit - 1] if len(ids) > limit else None})

    async def switch(self, call: Call) -> Outcome:
        """The key is enabled or disabled, on every gate within a second."""
        call.parameters()
        enabled = read_flag(call.fields("enabled"), "enabled")
        if enabled is None:
            raise UsageError("enabled: expected true or false")
        found = self._find_own(call)
        if isinstance(found, Fault):
            return found
        key = await self._keys.set_enabled(found, call.name, enabled)
        if key is None:
            return _unknown(found, call.name)
        await self._learn([key.id])
        _log.warning("API key %s of %s %s", key.id, found, "enabled" if enabled else "disabled")
        return Done(self._shown(key))

    async def delete(self, call: Call) -> Outcome:
        """There is no such key any more, on any gate within a second."""
        call.parameters()
        call.fields()
        found = self._find_own(call)
        if isinstance(found, Fault):
            return found
        if not await self._keys.delete(found, call.name):
            return _unknown(found, call.name)
        await self._learn([call.name])
        _log.warning("API key %s of %s deleted", call.name, found)
        return Done({"key": call.name, "application": found, "deleted": True})

    def _find(self, name: str) -> tuple[str, VideoSdk] | Fault:
        """The application of that name, and what the policy says of it at VideoSDK."""
        applications = self._applications()
        if name not in applications:
            detail = f"there is no application {name[:64]}; known are: {', '.join(applications)}"
            return Fault(HTTPStatus.NOT_FOUND, "not_found", detail)
        videosdk = self._own().get(name)
        if videosdk is None:
            detail = f"the application {name} is none of VideoSDK's, and has no API keys"
            return Fault(HTTPStatus.CONFLICT, "no_api_keys", detail)
        return name, videosdk

    def _find_own(self, call: Call) -> str | Fault:
        """The name of the application whose key the call names, one that can be changed."""
        application = self._find(call.within)
        if isinstance(application, Fault):
            return application
        name, videosdk = application
        if call.name in videosdk.keys:
            detail = f"the API key {call.name} is the policy's: change it there"
            return Fault(HTTPStatus.CONFLICT, "policy_key", detail)
        return name if _ID.fullmatch(call.name) else _unknown(name, call.name)

    def _shown(self, key: StoredKey) -> dict[str, object]:
        return {
            "key": key.id,
            "application": key.application,
            "enabled": key.enabled,
            "from": "store",
            "known": self._is_known(key.application, key.id),
            "made_at": key.made_at,
            "changed_at": key.changed_at,
        }

    def _shown_own(self, application: str, key: str) -> dict[str, object]:
        """A key of the policy's; it has no times."""
        shown = {"key": key, "application": application, "enabled": True, "from": "policy"}
        return {**shown, "known": self._is_known(application, key), "made_at": None, "changed_at": None}

    def _is_known(self, application: str, key: str) -> bool:
        """Whether this gate verifies with it, if it is enabled: its secret can be unsealed here."""
        running = self._applications().get(application)
        return running is not None and running.videosdk is not None and key in running.videosdk.keys


def _unknown(application: str, key: str) -> Fault:
    detail = f"the application {application} has no API key {key[:128]}"
    return Fault(HTTPStatus.NOT_FOUND, "not_found", detail)
