"""What all models of the policy file are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
