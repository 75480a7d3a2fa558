"""Applications of a policy file as the core has them: those of a vendor's, with what is not said."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import pytest

from gate.config.compile import load_config
from gate.core.policy import ApiKey, Application, SessionEnd, VideoSdk
from gate.core.room import RoomRules
from gate.core.token import Format

SECRET = "0123456789abcdef0123456789abcdef"
NATIVE = f"""\
origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
"""


@pytest.fixture
def compile_one(tmp_path: Path):
    """The only application of a policy file."""

    def call(text: str) -> Application:
        path = tmp_path / "gate.yaml"
        path.write_text(textwrap.dedent(text), "utf-8")
        (application,) = load_config(path, {}).policy.applications.values()
        return application

    return call


class TestVideoSdk:
    TEXT = f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications:
          rooms:
            formats: [videosdk]
            videosdk:
              keys: [{{key: AK, secret: {SECRET}}}, {{key: BK, secret: {SECRET}2}}]
        """
    MIXED = f"formats: [videosdk, jwt]\n            keys: [{{kid: k, secret: {SECRET}}}]"

    def test_defaults(self, compile_one):
        application = compile_one(self.TEXT)
        keys = {"AK": ApiKey("AK", SECRET.encode()), "BK": ApiKey("BK", f"{SECRET}2".encode())}
        assert application.videosdk == VideoSdk(keys)
        assert application.videosdk.rooms == RoomRules(60, 30, True, 1000)
        assert application.formats == {Format.VIDEOSDK}
        assert application.sources.query == {"token", "secret"}
        assert (application.session_end, application.max_usage_s) == (SessionEnd.USAGE, 86400)
        assert not list(application.keyring)
        assert compile_one(NATIVE).videosdk is None

    def test_every_value_arrives(self, compile_one):
        rules = (
            "entry_timeout: 5s, entry_pause: 0s, consent: none, max_participants: 3, without_exp: 90m, "
            "single_use_jti: true, key_secrets: [a secret of some length, another one of these]"
        )
        text = self.TEXT.replace("  keys: [{key: AK", f"  {{{rules}, keys: [{{key: AK").replace("2}]", "2}]}")
        videosdk = compile_one(text).videosdk
        assert videosdk.rooms == RoomRules(5, 0, False, 3)
        assert (videosdk.endless_s, videosdk.single_use) == (5400, True)
        assert videosdk.sealing == tuple(
            hashlib.sha256(b"gate api key secret" + secret).digest()
            for secret in (b"a secret of some length", b"another one of these")
        )

    @pytest.mark.parametrize(
        ("lines", "end", "usage_s"),
        [
            ("formats: [videosdk]", SessionEnd.USAGE, 86400),
            ("formats: [videosdk]\n            max_usage: 1h", SessionEnd.USAGE, 3600),
            ("formats: [videosdk]\n            session_end: usage", SessionEnd.USAGE, 86400),
            ("formats: [videosdk]\n            session_end: token", SessionEnd.TOKEN, None),
            (MIXED, SessionEnd.USAGE, 86400),
            (f"{MIXED}\n            session_end: token\n            max_usage: 1h", SessionEnd.TOKEN, 3600),
        ],
    )
    def test_what_ends_a_session(self, compile_one, lines, end, usage_s):
        text = self.TEXT.replace("formats: [videosdk]", lines)
        application = compile_one(text)
        assert (application.session_end, application.max_usage_s) == (end, usage_s)
