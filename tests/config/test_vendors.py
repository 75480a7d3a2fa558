"""Applications of vendors' tokens, as a policy file says them."""

from __future__ import annotations

import pytest

SECRET = "0123456789abcdef0123456789abcdef"
ONE = f"keys: [{{key: AK, secret: {SECRET}}}]"
TEXT = """\
origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
applications: {{rooms: {{formats: [videosdk], videosdk: {{{section}}}}}}}
"""
PLACE = "applications.rooms.videosdk"


def test_an_api_key_is_enough(read):
    videosdk = read(TEXT.format(section=ONE)).applications["rooms"].videosdk
    assert [each.key for each in videosdk.keys] == ["AK"]
    assert (videosdk.entry_timeout, videosdk.entry_pause, videosdk.max_participants) == (60, 30, 1000)
    assert (videosdk.consent, videosdk.without_exp, videosdk.single_use_jti) == ("required", None, False)
    assert videosdk.key_secrets == ()


def test_its_secrets_show_themselves_nowhere(read):
    policy = read(TEXT.format(section=f"{ONE}, key_secrets: [the sealing secret]"))
    for text in (repr(policy), policy.model_dump_json()):
        assert SECRET not in text
        assert "the sealing secret" not in text


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (f"keys: [{{secret: {SECRET}}}]", "keys[0].key: required"),
        ("keys: [{key: AK}]", "keys[0].secret: required"),
        (f"keys: [{{key: a/b, secret: {SECRET}}}]", "keys[0].key: expected a text of the form"),
        (f"keys: [{{key: .., secret: {SECRET}}}]", "keys[0].key: expected a text of the form"),
        (f"keys: [{{key: {'a' * 129}, secret: {SECRET}}}]", "keys[0].key: expected a text of the form"),
        ("keys: [{key: AK, secret: short}]", "keys[0].secret: HS256 needs at least 32 bytes"),
        (
            f"keys: [{{key: AK, secret: ssh-rsa {SECRET}}}]",
            "keys[0].secret: this is a key file, not a secret",
        ),
        (f"{ONE}, key_secrets: [short]", "key_secrets: expected at least 16 characters"),
        (f"{ONE}, entry_timeout: 0s", "entry_timeout: expected at least 1s"),
        (f"{ONE}, without_exp: 10ms", "without_exp: expected at least 1s"),
        (f"{ONE}, entry_pause: soon", "entry_pause: expected a duration"),
        (f"{ONE}, consent: maybe", "consent: expected required or none"),
        (f"{ONE}, max_participants: 0", "max_participants: expected a number of at least 1"),
        (f"{ONE}, single_use_jti: 1", "single_use_jti: expected true or false"),
        (f"{ONE}, jti: once", "jti: unknown key"),
        ("keys: []", "without keys nothing verifies: name some, or key_secrets for those that are made at"),
    ],
)
def test_a_section_that_is_none(problems, section, problem):
    (found,) = problems(TEXT.format(section=section))
    told = found.partition(": ")[2].removeprefix(PLACE).lstrip(".: ")
    assert told.startswith(problem), found


def test_keys_may_all_be_made_at_runtime(read):
    assert read(TEXT.format(section="key_secrets: [a secret of some length]")).applications["rooms"].videosdk


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("formats: [videosdk]", ["an application of VideoSDK's needs a section videosdk, with its API keys"]),
        (
            f"keys: [{{kid: k, secret: {SECRET}}}], videosdk: {{{ONE}}}",
            ["an application of VideoSDK's needs videosdk among its formats"],
        ),
        (f"formats: [jwt, videosdk], keys: [{{kid: k, secret: {SECRET}}}], videosdk: {{{ONE}}}", []),
        (
            f"formats: [jwt, videosdk], videosdk: {{{ONE}}}",
            ["an application needs keys: name some in keys, or their URL in jwks"],
        ),
        (
            f"formats: [videosdk], videosdk: {{{ONE}}}, issuers: [us], audiences: [us], require_bind: [ip]",
            ["no token of VideoSDK's can say it: all would be refused"] * 3,
        ),
        (f"formats: [videosdk], videosdk: {{{ONE}}}, required_claims: [jti, roomId]", []),
        (f"formats: [videosdk], videosdk: {{{ONE}}}, session_end: usage", []),
        (
            f"formats: [jwt], keys: [{{kid: k, secret: {SECRET}}}], session_end: usage",
            ["session_end usage needs max_usage"],
        ),
    ],
)
def test_the_format_and_the_section_go_together(read, problems, application, expected):
    text = f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications: {{rooms: {{{application}}}}}
        """
    if not expected:
        assert read(text)
        return
    assert [problem.rpartition(": ")[2] for problem in problems(text)] == [
        text.rpartition(": ")[2] for text in expected
    ]


def test_no_two_applications_have_the_same_key(problems):
    found = problems(f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications:
          plain: {{keys: [{{kid: AK, secret: {SECRET}}}]}}
          one: {{formats: [videosdk], videosdk: {{{ONE}}}}}
          two:
            formats: [videosdk]
            videosdk:
              keys:
                - {{key: other, secret: {SECRET}}}
                - {{key: AK, secret: {SECRET}}}
                - {{key: other, secret: {SECRET}}}
                - {{key: ak, secret: {SECRET}}}
        streams: [{{match: /**, access: none}}]
        """)
    assert found == [
        "10:17: applications.two.videosdk.keys[1].key: this is an API key of one",
        "11:17: applications.two.videosdk.keys[2].key: this API key is there already",
    ]
