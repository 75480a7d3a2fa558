"""Whose token it is, and in which format."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest

OTHER = "another secret of more than thirty-two bytes!"
JWT = {"keys": [{"kid": "k1", "secret": OTHER}]}


def test_several_applications_and_keys(run, refuse, write_policy):
    path = write_policy(
        applications={
            "one": {"keys": [{"kid": "a", "secret": OTHER}]},
            "two": {
                "keys": [{"kid": "b", "secret": OTHER}, {"kid": "c", "algorithm": "HS384", "secret": OTHER * 2}]
            },
        },
        streams=[{"match": "/{resource}/**", "application": "one"}],
    )
    assert "several applications: name one with --application (one, two)" in refuse("--all", config=path)
    text = run("token", "--config", path, "--all", "--application", "two", "--kid", "c").stdout
    header = text.split(".")[0]
    assert json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {
        "alg": "HS384",
        "kid": "c",
        "typ": "JWT",
    }


def test_an_application_that_is_not_there(refuse):
    assert refuse("--all", "--application", "nobody") == (
        "the policy has no application 'nobody'; known are: demo"
    )


@pytest.mark.parametrize(
    ("formats", "arguments", "dots"),
    [
        (["jwt"], [], 2),
        (["ziggeo"], [], 0),
        (["ziggeo", "jwt"], [], 2),
        (["jwt", "ziggeo"], ["--format", "ziggeo"], 0),
        (["jwt", "ziggeo"], ["--format", "jwt"], 2),
        (["jwt"], ["--format", "jwt"], 2),
    ],
)
def test_the_format_is_the_one_that_is_asked_for_or_the_applications(
    run, write_policy, ziggeo, formats, arguments, dots
):
    demo = {**JWT, **ziggeo, "formats": formats} if "ziggeo" in formats else {**JWT, "formats": formats}
    result = run("token", "--config", write_policy(applications={"demo": demo}), "--all", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count(".") == dots


def test_a_format_that_the_application_does_not_take(refuse, write_policy, ziggeo):
    path = write_policy(applications={"demo": JWT})
    told = refuse("--all", "--format", "ziggeo", config=path)
    assert told == "the application demo takes no tokens of the format ziggeo, but jwt"
    path = write_policy(applications={"demo": ziggeo})
    told = refuse("--all", "--format", "jwt", config=path)
    assert told == "the application demo takes no tokens of the format jwt, but ziggeo"


def test_a_format_that_nobody_knows(refuse):
    assert "'xml' is not one of 'jwt', 'ziggeo'" in refuse("--all", "--format", "xml")


def test_tokens_of_videosdks_are_made_by_its_sdks(refuse, write_policy):
    videosdk = {"keys": [{"key": "AK", "secret": "0123456789abcdef" * 4}]}
    application = {"formats": ["videosdk"], "videosdk": videosdk}
    path = write_policy(applications={"rooms": application}, streams=[{"match": "/{resource}/**"}])
    told = "the application rooms takes VideoSDK's tokens, which its SDKs make"
    assert refuse("--all", config=path) == told
    assert refuse("--all", "--format", "jwt", config=path) == told
