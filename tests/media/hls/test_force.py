"""Keys, maps and bit rates stay in force until another of their kind."""

from __future__ import annotations

from gate.media.hls.force import Force, followed, joint, numbered

K1, K2 = b'#EXT-X-KEY:METHOD=AES-128,URI="1"\n', b'#EXT-X-KEY:METHOD=AES-128,URI="2",IV=0x2\n'
FPS = b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="fps"\n'
NONE = b"#EXT-X-KEY:METHOD=NONE\n"
M1, M2 = b'#EXT-X-MAP:URI="1"\n', b'#EXT-X-MAP:URI="2"\n'
RATE = b"#EXT-X-BITRATE:1\n"


def after(*lines: bytes | None) -> Force:
    """What is in force after the lines; None is the end of an entry."""
    force, entry = Force(), list[bytes]()
    for line in (*lines, None):
        if line is not None:
            entry.append(line)
        else:
            force = followed(force, entry)
            entry = []
    return force


def lines_of(force: Force) -> list[bytes]:
    return [line for _, group in force.keys for line in group]


def test_a_key_takes_the_place_of_its_own_format() -> None:
    assert lines_of(after(K1, None, FPS)) == [K1, FPS]
    assert lines_of(after(K1, FPS, None, K2)) == [K2, FPS]
    assert lines_of(after(K1, K2)) == [K1, K2], "keys that stand together are a group"
    assert lines_of(after(K1, M1, K2)) == [K2]
    assert lines_of(after(K1, FPS, NONE)) == []
    assert lines_of(after(K1, NONE, K2)) == [K2]


def test_a_map_keeps_the_keys_that_it_stands_behind() -> None:
    assert after(M1, K1).map_keys == ()
    assert after(K1, M1, None, NONE).map_keys == after(K1).keys


def test_a_number_that_is_an_iv() -> None:
    assert after(K1).counts
    assert not after(K2).counts
    assert not after(FPS).counts
    written = numbered(after(K1, FPS), 255)
    assert lines_of(written) == [K1[:-1] + b",IV=0x000000000000000000000000000000ff\n", FPS]
    assert not written.counts


def test_a_joint_brings_about_what_was_in_force() -> None:
    assert joint(Force(), after(K1, FPS, M1, RATE), (), b"\n") == [K1, FPS, M1, RATE]
    assert joint(after(K1, M1), after(K1, M1), (), b"\n") == []
    assert joint(after(K1, M1), after(K1, M1, None, M2), (), b"\n") == [M2]
    assert joint(after(FPS), after(K1), (), b"\r\n") == [b"#EXT-X-KEY:METHOD=NONE\r\n", K1]
    assert joint(after(K1), Force(), (), b"\n") == [NONE]
    assert joint(Force(), after(M1, K1), (), b"\n") == [M1, K1]
    assert joint(Force(), after(K1, M1, None, NONE), (), b"\n") == [K1, M1, NONE]
    assert joint(after(K1, M1), after(M2, K1), (), b"\n") == [NONE, M2, K1]


def test_what_an_entry_replaces_is_left_to_it() -> None:
    assert joint(Force(), after(K1, FPS, M1, RATE), [K2, M2, RATE], b"\n") == [FPS]
    assert joint(Force(), after(K1, FPS), [NONE], b"\n") == []
    assert joint(after(K1), Force(), [K2], b"\n") == []
    assert joint(Force(), after(K1), [M1, K2], b"\n") == [K1], "its map needs the key that was"
