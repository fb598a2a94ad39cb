"""Where a library computed in another precision than was asked for, by its own numbers."""

from collections.abc import Iterator, Sequence

from xpbench.bench.precisions import bits_against, is_reduced
from xpbench.bench.report.layout import grouped, heading_of
from xpbench.bench.report.records import Record

REDUCED = "¶"


def precision_of(record: Record) -> str | None:
    """Why a float32 case did not get the precision it asked for; ``None`` where nothing tells of that.

    What was asked for as ``native`` is the library's own choice: it is told where results show that
    this was less than float32.
    """
    if record["dtype"] != "float32":
        return None
    if words := bits_against(record["precision"], record.get("product_bits")):
        return words
    error, limit = record["error"], record["error_limit"]
    if (
        record["precision"] != "native"
        or record["error_unit"] != "eps"
        or error is None
        or limit is None
    ):
        return None
    if is_reduced(error, limit, record["dtype"], record["precision"]):
        return "reduced: beyond float32's limit and within that of TF32, by the library's own choice"
    return None


def precision_words(records: Sequence[Record]) -> Iterator[str]:
    """Each finding once, with the backends that it is true of."""
    told = [record for record in records if precision_of(record)]
    for words, group in grouped(told, precision_of).items():
        places = ", ".join(dict.fromkeys(heading_of(record) for record in group))
        yield f"{REDUCED} {words} ({places})"
