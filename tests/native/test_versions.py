"""What ours are compared with computes the same: every oracle of ours judges it."""

from pathlib import Path

import pytest

from xpbench.bench import preparation, registry, verification
from xpbench.bench.commands.cost import NATIVE_FILES, RIVAL_FILES
from xpbench.bench.cost import LIBRARIES, NATIVE, RIVALS, file_of, reasons
from xpbench.bench.plan import Request
from xpbench.bench.progress import Silent

LACKING = {
    ("torch", "t_test"): "an incomplete beta function",
}
"""What a library has no call for, nor anything to write it with."""


def files(names: tuple[str, ...]) -> list[Path]:
    return [file_of(name) for name in names]


def kernels(names: tuple[str, ...]) -> list[str]:
    return list(registry.load_file(file_of(names[0])).KERNELS)


def verified(names: tuple[str, ...], backend: str, tmp_path: Path) -> dict[str, str]:
    """By kernel the words on the cases of a backend that did not agree, small, in both dtypes."""
    prepared = preparation.prepare(
        kernels(names),
        Request(backends=(backend,), sizes=("small",), dtypes=("float32", "float64")),
        files=files(names),
        forks=1,
        seconds=0.0,
        timeout=300.0,
    )
    found = verification.verify(prepared, Silent())
    return {m.case.kernel: f"{m.status}: {m.reason}" for m in found.measurements if m.status != "ok"}


@pytest.mark.parametrize(
    "library", [LIBRARIES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in LIBRARIES[1:])]
)
def test_every_kernel_written_by_hand_agrees_with_the_oracle(library: str, tmp_path: Path) -> None:
    words = verified(NATIVE_FILES, f"{library}{NATIVE}", tmp_path)
    lacking = {kernel for name, kernel in LACKING if name == library}
    assert {kernel: said for kernel, said in words.items() if kernel not in lacking} == {}
    assert set(words) == lacking


@pytest.mark.slow
@pytest.mark.parametrize("rival", RIVALS)
def test_every_rival_solves_the_same_problem_to_the_accuracy_asked_for(
    rival: str, tmp_path: Path
) -> None:
    if reason := registry.find(files(RIVAL_FILES)).backend(rival).unusable():
        pytest.skip(reason)
    words = verified(RIVAL_FILES, rival, tmp_path)
    assert {kernel: said for kernel, said in words.items() if "has nothing that does" not in said} == {}
    assert len(words) < len(kernels(RIVAL_FILES))


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_ours_solve_what_rivals_solve_to_the_same_accuracy(library: str, tmp_path: Path) -> None:
    words = verified(RIVAL_FILES, library, tmp_path)
    assert {kernel: said for kernel, said in words.items() if not said.startswith("unsupported")} == {}


def test_there_are_forty_kernels_and_more() -> None:
    assert len(kernels(NATIVE_FILES)) >= 40
    assert len(kernels(RIVAL_FILES)) >= 12


def test_a_reason_is_of_a_kernel_and_a_library_that_are_compared() -> None:
    known = {*kernels(NATIVE_FILES), *kernels(RIVAL_FILES)}
    for kernel, by_library in reasons().items():
        assert kernel in known
        assert set(by_library) <= {*LIBRARIES, *RIVALS}
