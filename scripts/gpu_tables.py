"""``table.md`` of every run named: the tables of ``xpbench table``, in one process for all."""

import sys
from pathlib import Path

from xpbench.bench.commands.table import table
from xpbench.bench.report.table import METRICS as KNOWN

METRICS = ("latency", "device", "kernel", "roof", "memory", "energy", "transfer")


def page(run: Path) -> str:
    """All tables of a run; a metric that cannot be shown is a sentence."""
    parts = [f"# {run.name}"]
    draft = run / ".table.md"
    for metric in METRICS:
        if metric not in KNOWN:
            parts.append(f"## {metric}\n\nNot shown: this xpbench has no such metric.")
            continue
        try:
            table([run], form="md", metric=metric, out=draft)
            parts.append(f"## {metric}\n\n{draft.read_text(encoding='utf-8').strip()}")
        except Exception as fault:  # What ails one table must not cost the others.
            parts.append(f"## {metric}\n\nNot shown: {fault}")
    draft.unlink(missing_ok=True)
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        (folder / "table.md").write_text(page(folder), encoding="utf-8")
