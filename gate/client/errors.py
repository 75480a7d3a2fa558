"""What goes wrong with a call. One ``except RpcError`` catches all of it.

Its text is one line without any credential that the client knows of: its token, and the tokens that the call
itself carries.
"""

from __future__ import annotations

from collections.abc import Mapping

from gate.errors import GateError


class RpcError(GateError):
    """The gate refused the call, which changed nothing.

    `code` is that of JSON-RPC, None where the answer had none: -32700 and -32600 for a body that is no call,
    -32601 for a method that there is not, -32602 for parameters, of which `message` names the wrong one; from
    -32099 to -32000 the gate's own, told apart by `reason`. `data` is what the gate added for programs.
    """

    def __init__(self, code: int | None, message: str, data: object = None) -> None:
        # All three, so that the error can be pickled on its way out of another process.
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return self.message

    @property
    def reason(self) -> str | None:
        """The stable word for programs in `data`, None where there is none."""
        reason = self.data.get("reason") if isinstance(self.data, Mapping) else None
        return reason if isinstance(reason, str) else None


class TokenRefused(RpcError):
    """The API token is missing, wrong, expired or revoked (HTTP 401)."""


class UnexpectedAnswer(RpcError):
    """What answered is not the API of a gate, or not of one that this client understands.

    Whether the call was done is not known.
    """


class Unavailable(RpcError):
    """The gate cannot answer now: its store is away, or it is overloaded (HTTP 429, 5xx; code -32000).

    The call may be right: try again later. Whether it was done is not known.
    """


class Unreachable(Unavailable):
    """Nobody answered: no connection, none in time, or it broke. Whether the call was done is not known."""
