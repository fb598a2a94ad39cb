"""What a script reads: the rows of a summary as JSON, CSV or Parquet, every column of every case."""

import csv
import importlib.util
import io
import json
from typing import Any

import pandas as pd

from xpbench.bench.exceptions import XpbenchError
from xpbench.bench.visible import visible as visible

Record = dict[str, Any]

_FORMULA = ("=", "+", "-", "@")


def records(frame: pd.DataFrame) -> list[Record]:
    """The rows as dictionaries of Python's own types, with ``None`` for null."""
    columns = {name: [_plain(value) for value in frame[name]] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def as_json(frame: pd.DataFrame) -> str:
    """A list of objects, one per case; strings are escaped down to ASCII."""
    return json.dumps(records(frame), indent=1, allow_nan=False)


def as_csv(frame: pd.DataFrame) -> str:
    """A header and a line per case; null is an empty field.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(frame.columns)
    for record in records(frame):
        writer.writerow([_csv_field(value) for value in record.values()])
    return file.getvalue()


def as_parquet(frame: pd.DataFrame) -> bytes:
    """A Parquet file with the dtypes of the frame.

    Raises
    ------
    XpbenchError
        If pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise XpbenchError('the parquet format needs pyarrow: python -m pip install "xpbench[parquet]"')
    file = io.BytesIO()
    frame.to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _csv_field(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value
