"""The page that lists the published runs: what stands in a line of it, and its HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from xpbench.bench.report.records import visible


@dataclass(frozen=True)
class Entry:
    """A published run as a list shows it; ``says`` is what it found, ``note`` what its author adds."""

    name: str
    folder: str
    machine: str
    measured: str
    cases: int
    forks: int
    versions: str
    day: str
    says: str
    note: str


HEAD = ("run", "machine", "measured", "forks", "versions", "what it says")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>xpbench: published runs</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 75rem; margin: 0 auto; padding: 1rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .5rem .75rem; border-top: 1px solid #8886; }}
</style>
<h1>Published runs</h1>
<p>Each is a folder of the repository, with every round that was timed: <code>xpbench table
results/published/NAME</code> prints its tables again.</p>
<div tabindex="0" role="region" aria-label="Published runs">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</html>
"""


def index(entries: Sequence[Entry], pages: Mapping[str, str]) -> str:
    """The list in HTML, where the runs in ``pages`` link to those files. It loads nothing."""
    head = "".join(f'<th scope="col">{title}</th>' for title in HEAD)
    return PAGE.format(head=head, rows="\n".join(_row(one, pages.get(one.folder)) for one in entries))


def _row(one: Entry, page: str | None) -> str:
    name = _text(one.name)
    if page is not None:
        name = f'<a href="{quote(page)}">{name}</a>'
    says = "<br>".join(filter(None, [_text(one.says), _text(one.note)]))
    cells = (
        _text(one.machine),
        f"{_text(one.measured)}<br>{one.cases} cases",
        str(one.forks),
        _text(one.versions),
        says,
    )
    others = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{name}<br>{_text(one.day)}</th>{others}</tr>'


def _text(text: str) -> str:
    return escape(visible(text))
