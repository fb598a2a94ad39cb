"""What a run tells of its author is found before others read it, and what it must tell is let be."""

import json

import pytest

from stored_run import Stored, told
from xpbench.bench.checking import private
from xpbench.bench.checking.finding import ERROR, WARNING

PRIVATE = {
    "/home/ann/kernels.py": (ERROR, "a home directory"),
    "File /Users/ann/x.py": (ERROR, "a home directory"),
    r"C:\Users\ann\x.py": (ERROR, "a home directory"),
    "ask ann.b@uni-town.edu": (ERROR, "an address of e-mail"),
    "Authorization: Bearer abcdef0123456789abcdef": (ERROR, "a secret"),
    "ghp_0123456789abcdefghij0123456789abcdef": (ERROR, "a secret"),
    "https://ann:hunter22@host.org/simple": (ERROR, "a secret"),
    "HF_TOKEN=abcdefghijkl": (ERROR, "a secret"),
    "-----BEGIN OPENSSH PRIVATE KEY-----": (ERROR, "a secret"),
    "password = hunter22": (WARNING, "what is called as secrets are"),
    "/scratch/project/lib/libfoo.so: not found": (WARNING, "a path of the machine"),
    "ann@node17: refused": (WARNING, "a user at a host"),
    "no route to node17.cluster.local": (WARNING, "a name or an address of a network"),
    "connect to 192.168.1.17 failed": (WARNING, "a name or an address of a network"),
    "SLURM_JOB_ID=12345": (WARNING, "a variable of the environment"),
    "GPU-01234567-89ab-cdef-0123-456789abcdef": (WARNING, "the number of one piece of hardware"),
    "the machine of annabel": (WARNING, "what this computer or its user is called"),
    "a\u202etext": (WARNING, "characters that are not seen"),
}


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_private_is_found_and_its_place_told(stored_run: Stored, text: str) -> None:
    level, says = PRIVATE[text]
    records = stored_run.records
    records[1].update(status="failed", reason=text, samples=[], errors={})
    stored_run.write(stored_run.header, records)
    found = told(stored_run.check(("annabel",)), level)
    assert f"private: {says}" in found
    assert "journal.jsonl:2 reason" in found


def test_what_is_private_is_found_in_every_file(stored_run: Stored) -> None:
    header = stored_run.header
    header["unusable"] = {"cupy": "see /home/one"}
    stored_run.write_header(header)
    (stored_run.path / "notes.md").write_text("fine\nsee /home/two\n")
    (stored_run.path / "profiles.jsonl").write_text(
        json.dumps(
            {
                "case": "c",
                "kernels": {"seconds": 1, "launches": 1, "longest": [["/home/three", 1]], "source": ""},
            }
        )
        + "\n"
    )
    found = told(stored_run.check(), ERROR)
    for place in ("run.json unusable cupy", "notes.md:2", "profiles.jsonl:1 kernels longest"):
        assert place in found


def test_a_secret_is_not_shown_again(stored_run: Stored) -> None:
    secret = "ghp_0123456789abcdefghij0123456789abcdef"
    (stored_run.path / "notes.md").write_text(f"TOKEN={secret} https://u:{secret}@h/ Bearer {secret}\n")
    assert secret[4:] not in told(stored_run.check())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("svd[n=512]/torch@cpu/float32", "id"),
        ("matmul[n=64]/torch~1@cuda:1/float32/tf32", "id"),
        ("0.3.30, 0.3.31.188.0", "openblas_version"),
        ("10.2.1.3", "cudnn_version"),
        ("G = X'X/n; y = A@b.T / (n/2), tokens = x.reshape(n, d)", "source"),
        ("return x.T@x.mean(axis=0)", "source"),
        ("Linux 6.18.44-fc-v657 x86_64", "system"),
        ("Higham & Mary, https://doi.org/10.1137/18M1226312", "measure"),
    ],
)
def test_what_runs_say_of_themselves_is_not_taken_for_private(text: str, key: str) -> None:
    assert not [*private.Search(()).through({key: text}, "run.json")]


def test_no_text_takes_long_to_be_searched() -> None:
    # A pattern that begins anew within itself takes the square of the length: minutes here.
    for part in ("a", "a.", "a-", "/a", "a@", "eyJ-", "A_", "a:", "10.", "token", "/home/", " "):
        text = part * (private.LONGEST_TEXT // len(part))
        found = [*private.Search(()).through({"reason": text}, "x")]
        assert len(found) <= len(private.SIGNS) * private.MOST_SIGNS
