"""`gate rpc`, with an API that is served."""

from __future__ import annotations

import json

import pytest

from gate.cli.rpc import read_parameters, read_value, say_methods
from gate.core.keys import Keyring
from gate.core.token import Token
from gate.errors import UsageError
from gate.formats import jwt
from tests.client.server import KEY, TOKEN, Api, serving

MINT = "Auth.CreateAccessToken"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("GATE_ADMIN_TOKEN", raising=False)
    monkeypatch.delenv("GATE_API_TOKEN", raising=False)


@pytest.fixture
def api():
    served = Api()
    with serving(served):
        yield served


@pytest.fixture
def call(run, api):
    def call(*arguments, **options):
        return run("rpc", "--url", api.url, "--token", TOKEN, *arguments, **options)

    return call


class TestCalls:
    def test_a_token_for_a_shell(self, call):
        result = call("--raw", MINT, "stream=cam1", "ttl=60", "live=true")
        assert (result.exit_code, result.stderr) == (0, "")
        assert isinstance(jwt.verify(result.stdout.removesuffix("\n"), "demo", Keyring([KEY])), Token)
        assert json.loads(call(MINT, "stream=cam1").stdout).startswith("eyJ")

    def test_a_stream(self, call, api):
        access = '{"allow": "protected", "whitelist": ["10.0.0.0/8"]}'
        result = call("Stream.Add", "stream=cam1", "url=http://10.0.0.5:8080?a=b", f"access={access}")
        assert result.exit_code == 1
        result = call(
            "Stream.Add", "stream=cam1", "url=http://10.0.0.5:8080", f"access={access}", "enable=false"
        )
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        assert (told["access"]["allow"], told["enable"]) == ("protected", False)
        assert json.loads(call("Stream.Get", "stream=cam1").stdout) == told
        assert call("Stream.Remove", "stream=cam1").stdout == "true\n"
        assert call("--raw", "Stream.Remove", "stream=cam1").stdout == "false\n"

    def test_the_document(self, call):
        assert json.loads(call("Rpc.Describe").stdout)["openrpc"] == "1.3.2"

    def test_without_a_method_all_are_listed(self, call):
        lines = call().stdout.splitlines()
        at = lines.index(
            "Auth.CreateAccessToken stream=... [ttl=3600] [live=false] [dvr=false] [copy=false] [from=0] [to=0]"
        )
        assert lines[at + 1] == "    What Auth.CreateAccessToken is told as."
        assert "Rpc.Describe" in lines


class TestFinding:
    def test_by_the_policy_and_its_admin_token(self, run, write_policy, api):
        listen = api.url.removeprefix("http://")
        path = write_policy(admin={"listen": listen, "token": TOKEN})
        assert run("rpc", "--config", path, "Auth.CreateApiToken", "ttl=5").stdout == '"api_5"\n'

    def test_by_the_policys_unix_socket(self, run, write_policy, tmp_path):
        with serving(Api(token=None), tmp_path / "admin.sock"):
            path = write_policy(admin={"listen": f"unix:{tmp_path}/admin.sock"})
            result = run("rpc", "--config", path, "--raw", "Auth.CreateApiToken", "ttl=5")
            assert result.stdout == "api_5\n", result.stderr
            url = f"unix://{tmp_path}/admin.sock"
            assert run("rpc", "--url", url, "--raw", "Auth.CreateApiToken", "ttl=6").stdout == "api_6\n"

    def test_the_token_nearest_at_hand_is_shown(self, run, write_policy, api, monkeypatch):
        path = write_policy(admin={"token": "that of the policy".replace(" ", "-")})
        monkeypatch.setenv("GATE_ADMIN_TOKEN", "that-of-the-operators")
        places = ["--url", api.url, "--config", path]
        run("rpc", *places)
        monkeypatch.setenv("GATE_API_TOKEN", "that-of-the-environment")
        run("rpc", *places)
        run("rpc", *places, "--token", "that-of-the-command")
        monkeypatch.delenv("GATE_API_TOKEN")
        run("rpc", "--url", api.url)
        shown = [headers["Authorization"].removeprefix("Bearer that-of-the-") for headers in api.headers]
        assert shown == ["policy", "environment", "command", "operators"]

    def test_where_the_policy_leads_its_own_token_is_shown(self, run, write_policy, api, monkeypatch):
        monkeypatch.setenv("GATE_API_TOKEN", "that-of-the-environment")
        listen = api.url.removeprefix("http://")
        run("rpc", "--config", write_policy(admin={"listen": listen, "token": "that-of-the-policy"}))
        run("rpc", "--config", write_policy(admin={"listen": listen}))
        shown = [headers["Authorization"].removeprefix("Bearer that-of-the-") for headers in api.headers]
        assert shown == ["policy", "environment"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["No.Such"], "gate: Method not found (-32601)\n"),
            (["Stream.Get"], "gate: stream: required (-32602)\n"),
            (["Stream.Get", "stream=cam1"], "gate: There is no such stream. (-32011)\n"),
            (["Stream.Get", "stream=42"], "gate: stream: expected 1 to 255 "),
            (["Stream.Get", 'stream="42"'], "gate: There is no such stream. (-32011)\n"),
            ([MINT, "stream=cam1", "ttl=3600s"], "gate: ttl: expected whole seconds"),
            ([MINT, "stream=cam1", "form=5"], "gate: 'form': there is no such parameter"),
        ],
    )
    def test_by_the_gate_are_status_1(self, call, arguments, line):
        result = call(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            ([MINT, "stream"], "gate: expected KEY=VALUE, such as ttl=3600: 'stream' is none\n"),
            ([MINT, "=cam1"], "gate: expected KEY=VALUE"),
            ([MINT, "ttl=1", "ttl=2"], "gate: 'ttl' is there twice\n"),
            ([MINT, "from=1", "from_=2"], "gate: a parameter is there twice"),
            (["--url", "gate.example", MINT], "gate: --url takes http"),
            (["--url", "http://gate.example/?x", MINT], "gate: --url takes http"),
            (["--url", "unix:x", MINT], "gate: expected a base URL"),
            (
                ["--url", "http://127.0.0.1:1", MINT],
                "gate: no gate answers at http://127.0.0.1:1: connection refused\n",
            ),
            (["--token", "two words", MINT], "gate: a token is printable ASCII"),
        ],
    )
    def test_what_cannot_be_asked_is_status_2(self, call, api, arguments, line):
        result = call(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1
        assert not api.asked

    def test_a_token_that_is_not_taken(self, call):
        result = call("--token", "another-token-of-these-tests", "Rpc.Describe")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "does not take this API token" in result.stderr
        assert "another" not in result.stderr

    def test_the_store_is_away(self, call, api):
        api.store_away = True
        result = call("Stream.Get", "stream=cam1")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "cannot answer now: the store" in result.stderr

    def test_no_gate_is_named(self, run):
        result = run("rpc", "Rpc.Describe")
        assert (result.exit_code, result.stdout) == (2, "")
        assert (
            result.stderr == "gate: name the gate: its policy with --config, or its admin listener with --url\n"
        )

    def test_a_credential_in_the_wrong_place_is_not_quoted_back(self, call, sign):
        token = sign()
        for arguments in ([MINT, token], ["Auth.InspectToken", f"token={token}x"], [MINT, f"{token}=x"]):
            result = call(*arguments)
            assert result.exit_code in (1, 2)
            assert token[:40] not in result.stderr


class TestParameters:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("3600", 3600),
            ("true", True),
            ('["a"]', ["a"]),
            ('{"allow": "public"}', {"allow": "public"}),
            ('"42"', "42"),
            ("null", None),
            ("cam1", "cam1"),
            ("007", "007"),
            ("True", "True"),
            ("", ""),
            ("a=b", "a=b"),
            ("NaN", "NaN"),
            ("1e999", "1e999"),
            ("[" * 100_000, "[" * 100_000),
            ("9" * 10_000, "9" * 10_000),
        ],
    )
    def test_values(self, text, value):
        read = read_value(text)
        assert (read, type(read)) == (value, type(value))

    def test_names(self):
        assert read_parameters(["a=1", "b=x=y"]) == {"a": 1, "b": "x=y"}
        with pytest.raises(UsageError):
            read_parameters(["a"])

    def test_a_description_of_another_kind(self):
        for document in ({}, [], {"methods": [{"name": "A"}]}, {"methods": 1}):
            with pytest.raises(UsageError, match="another way"):
                list(say_methods(document))
