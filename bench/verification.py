"""Do the backends agree, with the oracle and with each other? Nothing is timed here."""

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpbench.bench import agreement, data, descendants, journal, runner
from xpbench.bench.beginning import begin
from xpbench.bench.case import Case
from xpbench.bench.exceptions import NothingMeasured
from xpbench.bench.kernel import Kernel
from xpbench.bench.measurement import Measurement
from xpbench.bench.preparation import Plan


@dataclass(frozen=True)
class Difference:
    """Two backends on one row: the pair of their outputs' difference that is nearest its limit."""

    first: Case
    second: Case
    name: str
    value: float
    limit: float
    agrees: bool
    reason: str


@dataclass(frozen=True)
class Verification:
    """What every case and every pair of backends showed."""

    measurements: tuple[Measurement, ...]
    differences: tuple[Difference, ...]
    units: dict[str, str]

    @property
    def disagreements(self) -> list[str]:
        """One sentence per disagreement, naming kernel, backend, error and limit."""
        wrong = [f"{m.case}: {m.reason}" for m in self.measurements if m.status == "wrong"]
        apart = [f"{d.first} and {d.second}: {d.reason}" for d in self.differences if not d.agrees]
        return wrong + apart

    @property
    def judged(self) -> int:
        """How many results were held against the oracle, or the measure that needs none."""
        return sum(m.status in ("ok", "wrong") for m in self.measurements)


def verify(prepared: Plan, observer: runner.Observer) -> Verification:
    """Judges every case in every fork, then every pair of backends on the same row.

    ``prepared`` times nothing: its settings have no seconds, and as a rule one fork.
    """
    differences: list[Difference] = []

    def examine(data_folder: Path, outputs: Path) -> None:
        observer.phase("comparing the backends with each other", "", "")
        found = _Outputs(data_folder, outputs)
        for row in _rows(prepared.runnable):
            kernel = prepared.registry.kernels[row[0].kernel]
            differences.extend(found.differences(kernel, row))

    with (
        tempfile.TemporaryDirectory(prefix="xpbench-verify-", ignore_cleanup_errors=True) as scratch,
        descendants.keeper(Path(scratch)),
    ):
        folder = begin(prepared, Path(scratch) / "run")
        runner.execute(prepared.job(folder), observer, examine=examine)
        measurements = journal.read(folder).measurements
    if not any(m.status in ("ok", "wrong") for m in measurements):
        reasons = dict.fromkeys(m.reason for m in measurements)
        raise NothingMeasured(
            f"nothing could be judged: {'; '.join(list(reasons)[:3]) or 'no case ran'}"
        )
    order = {str(case): index for index, case in enumerate(prepared.cases)}
    return Verification(
        tuple(sorted(measurements, key=lambda m: order[str(m.case)])),
        tuple(differences),
        {case.kernel: prepared.registry.kernels[case.kernel].error_unit for case in prepared.cases},
    )


@dataclass(frozen=True)
class _Outputs:
    data: Path
    folder: Path

    def differences(self, kernel: Kernel, row: Sequence[Case]) -> list[Difference]:
        kept = {case: self._load(case) for case in row if data.outputs_file(self.folder, case).exists()}
        if len(kept) < 2:
            return []
        inputs = data.load(self.data, row[0]).exact_inputs
        static = kernel.static_of(dict(row[0].size))
        found = []
        for first, second in itertools.combinations(kept, 2):
            try:
                pair = agreement.between(
                    kernel,
                    kept[first],
                    kept[second],
                    inputs,
                    static,
                    first.dtype,
                    first.precision,
                )
            except agreement.ErrorsFailed as fault:
                pair = agreement.Agreement({}, False, str(fault))
            value, limit = pair.errors.get(pair.worst, (float("nan"), float("nan")))
            found.append(Difference(first, second, pair.worst, value, limit, pair.agrees, pair.reason))
        return found

    def _load(self, case: Case) -> list[np.ndarray]:
        return data.kept_outputs(self.folder, case)


def _rows(cases: Sequence[Case]) -> list[list[Case]]:
    rows: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        rows.setdefault(case.row, []).append(case)
    return list(rows.values())
