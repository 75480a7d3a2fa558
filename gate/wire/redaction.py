"""Credentials taken out of text that people and logs see.

Nothing of the gate writes a token; this is the net below, for what it does not write itself: a library's
message that quotes a request, or an argument in the wrong place that is quoted back.
"""

from __future__ import annotations

import re
from typing import Final

# A JSON object in base64url begins with eyJ: a JWT, also half of one or with more parts. Three parts of which
# the last is as long as a signature are one too, and what is as long as a session link's ticket is a ticket.
_CREDENTIAL: Final = re.compile(
    r"eyJ[A-Za-z0-9_-]{5,}={0,2}(?:\.[A-Za-z0-9_=-]*)*"
    r"|[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{40,}"
    r"|[A-Za-z0-9_-]{64,}"
)


def redact(text: str) -> str:
    """`text` with everything that looks like a token or a ticket replaced by ``[credential]``."""
    return _CREDENTIAL.sub("[credential]", text)
