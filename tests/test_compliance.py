"""The verdict over the Autobahn Testsuite lets nothing bad pass."""

from __future__ import annotations

import pytest

from compliance.run import case_order, summarize, verdict


def result(behavior: str, close: str = "OK") -> dict[str, str]:
    return {"behavior": behavior, "behaviorClose": close}


@pytest.mark.parametrize(
    ("case", "behavior", "close", "problem"),
    [
        ("1.1.1", "OK", "OK", None),
        ("7.1.6", "INFORMATIONAL", "INFORMATIONAL", None),
        ("6.4.1", "NON-STRICT", "OK", None),
        ("6.4.4", "NON-STRICT", "OK", None),
        ("3.2", "NON-STRICT", "OK", "NON-STRICT"),
        ("6.4.5", "NON-STRICT", "OK", "NON-STRICT"),
        ("1.1.1", "FAILED", "OK", "FAILED"),
        ("13.1.1", "UNIMPLEMENTED", "OK", "UNIMPLEMENTED"),
        ("1.1.1", "OK", "UNCLEAN", "close: UNCLEAN"),
        ("1.1.1", "OK", "WRONG CODE", "close: WRONG CODE"),
        ("6.4.1", "NON-STRICT", "FAILED BY CLIENT", "close: FAILED BY CLIENT"),
    ],
)
def test_verdict(case: str, behavior: str, close: str, problem: str | None) -> None:
    """Only OK, INFORMATIONAL, and NON-STRICT where it is allowed pass, closed cleanly."""
    assert verdict(case, result(behavior, close)) == problem


def test_missing_cases_fail() -> None:
    """A side that ran fewer cases than there are doesn't pass."""
    report = {"1.1.1": result("OK"), "10.1.1": result("OK")}
    assert summarize("server", report, expected=2)
    assert not summarize("server", report, expected=3)


def test_a_bad_case_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A side with one bad case doesn't pass, and says which."""
    report = {"1.1.1": result("OK"), "10.1.1": result("FAILED")}
    assert not summarize("client", report, expected=2)
    assert "10.1.1   FAILED" in capsys.readouterr().out


def test_cases_are_ordered_by_number() -> None:
    """Case 10.1.1 comes after case 9.8.6."""
    assert sorted(["10.1.1", "9.8.6"], key=case_order) == ["9.8.6", "10.1.1"]
