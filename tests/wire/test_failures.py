"""Who fails often is told to wait."""

from __future__ import annotations

from gate.wire.failures import Failures


def test_so_many_failures_at_once_and_one_more_every_few_seconds() -> None:
    failures = Failures(burst=3, every_s=2.0)
    for _ in range(3):
        assert failures.wait_s("192.0.2.1", 100.0) == 0
        failures.add("192.0.2.1", 100.0)
    assert failures.wait_s("192.0.2.1", 100.0) == 3
    assert failures.wait_s("192.0.2.1", 101.9) == 1
    assert failures.wait_s("192.0.2.1", 102.0) == 0
    failures.add("192.0.2.1", 102.0)
    assert failures.wait_s("192.0.2.1", 102.0) > 0
    assert failures.wait_s("192.0.2.1", 108.0) == 0


def test_addresses_do_not_wait_for_each_other_but_those_of_one_host_do() -> None:
    failures = Failures(burst=1)
    failures.add("192.0.2.1", 0.0)
    assert failures.wait_s("192.0.2.1", 0.0) > 0
    assert failures.wait_s("::ffff:192.0.2.1", 0.0) > 0
    assert failures.wait_s("192.0.2.2", 0.0) == 0
    failures.add("2001:db8::1", 0.0)
    assert failures.wait_s("2001:db8::ffff", 0.0) > 0
    assert failures.wait_s("2001:db8:0:1::1", 0.0) == 0
    failures.add("", 0.0)
    assert failures.wait_s("", 0.0) > 0


def test_no_more_addresses_are_known_than_there_is_room_for() -> None:
    failures = Failures(burst=1, addresses=2)
    for last in range(3):
        failures.add(f"192.0.2.{last}", 0.0)
    assert [failures.wait_s(f"192.0.2.{last}", 0.0) > 0 for last in range(3)] == [False, True, True]
