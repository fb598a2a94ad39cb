"""Every second of a run is somebody's: a phase's, or the harness's own."""

import pytest

from xpbench.bench.accounting import PHASES, Account, sentence


def test_what_no_phase_took_is_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(opened=100.0)
    monkeypatch.setattr("time.monotonic", lambda: 200.0)
    account.add({"imports": 30.0})
    account.add({"first_call": 5.0, "warm_up": 10.0, "rounds": 40.0})
    account.add({"rounds": 5.0, "making tea": 7.0})
    assert sentence(account) == (
        "time went to 30% starts and imports of libraries, 5% first calls and compilation, 10% warm-up, "
        "45% timed rounds; 10% to the harness itself"
    )


def test_a_run_that_did_nothing_has_no_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(opened=100.0)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    assert "100% to the harness" in sentence(account)
    assert set(account.phases) == set(PHASES)
