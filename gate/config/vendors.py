"""What an application of the policy file says that uses a vendor's tokens: Ziggeo's, or VideoSDK's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from gate.config.base import Count, Model
from gate.config.values import Duration, Secret

# As long as what guards them would take to guess.
SHORTEST_SECRET = 16


class Ziggeo(Model):
    """An application's credentials at Ziggeo, as its SDKs are given them, and how its tokens are kept."""

    application_token: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="The application's public token: what its SDKs are made with, and its URLs name."
    )
    private_key: Secret = Field(
        description="The password of the API for server-side tokens (/v1/authtokens): at least 16 characters."
    )
    encryption_key: Secret = Field(
        description="What client-side tokens are encrypted with: at least 16 characters. They are not "
        "authenticated: for limits that nobody can tamper with use server-side tokens, or the native format."
    )
    volatile_grace: Duration = Field(
        default=60.0,
        description="How long a volatile server-side token is kept that grants nothing (any more).",
    )

    @field_validator("private_key", "encryption_key")
    @classmethod
    def _is_long(cls, value: Secret) -> Secret:
        return check_length(value)


class ApiKey(Model):
    """An API key of VideoSDK's, with the secret that signs its tokens."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")] = Field(
        description="The API key: what tokens name as apikey. It is no secret."
    )
    secret: Secret = Field(description="Its secret, as the vendor's dashboard shows it: at least 32 bytes.")


class VideoSdk(Model):
    """An application's API keys at VideoSDK, and how its rooms are kept."""

    keys: tuple[ApiKey, ...] = Field(
        default=(),
        description="The API keys that verify its tokens. None are needed where key_secrets lets them be made "
        "at runtime.",
    )
    key_secrets: tuple[Secret, ...] = Field(
        default=(),
        description="Secrets of at least 16 characters that seal those of API keys made at runtime (gate keys "
        "create): the first seals, all open. Without any none are made.",
    )
    entry_timeout: Duration = Field(
        default=60.0,
        description="How long somebody waits who asks to enter a room (ask_join), until nobody has answered.",
    )
    entry_pause: Duration = Field(
        default=30.0, description="How long after a no they may ask again, whoever said it."
    )
    consent: Literal["required", "none"] = Field(
        default="required",
        description="Whether a moderator who gives a microphone or camera back needs its owner's yes. Taking "
        "it away never does.",
    )
    max_participants: Count = Field(
        default=1000, description="The most participants in a room; as many may wait."
    )
    without_exp: Duration | None = Field(
        default=None,
        description="How long after its iat a token lives that has no exp, as in some samples of the vendor's. "
        "Without it such tokens are refused, unless unlimited_ttl lets them live for ever.",
    )
    single_use_jti: bool = Field(
        default=False, description="Whether a token with a jti opens one session, ever."
    )

    @field_validator("key_secrets")
    @classmethod
    def _are_long(cls, value: tuple[Secret, ...]) -> tuple[Secret, ...]:
        return tuple(map(check_length, value))

    @field_validator("entry_timeout", "without_exp")
    @classmethod
    def _is_some_time(cls, value: float | None) -> float | None:
        if value is not None and value < 1:
            raise ValueError("expected at least 1s")
        return value


def check_length(value: Secret) -> Secret:
    """The secret. Raises ValueError for one that is too short."""
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"expected at least {SHORTEST_SECRET} characters")
    return value
