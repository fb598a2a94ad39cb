"""What a summary says of a case: its columns, and what they hold."""

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd

NOT_FINITE = sys.float_info.max
"""What ``error`` holds where the error is infinite or NaN, which neither JSON nor a null can say."""

COLUMNS = {
    "run": "string",
    "machine": "string",
    "kernel": "string",
    "chapter": "string",
    "size": "string",
    "backend": "string",
    "device": "string",
    "dtype": "string",
    "compute_dtype": "string",
    "threads": "Int64",
    "precision": "string",
    "cache": "string",
    "status": "string",
    "reason": "string",
    "forks": "Int64",
    "disturbed": "Int64",
    "time_s": "Float64",
    "time_low_s": "Float64",
    "time_high_s": "Float64",
    "time_level": "Float64",
    "spread": "Float64",
    "throughput_s": "Float64",
    "device_s": "Float64",
    "kernel_s": "Float64",
    "transfer_s": "Float64",
    "first_call_s": "Float64",
    "compile_s": "Float64",
    "energy_j": "Float64",
    "ratio": "Float64",
    "ratio_low": "Float64",
    "ratio_high": "Float64",
    "verdict": "string",
    "fastest": "boolean",
    "flops": "Float64",
    "traffic_bytes": "Float64",
    "roof_fraction": "Float64",
    "bound": "string",
    "peak_bytes": "Int64",
    "error": "Float64",
    "error_limit": "Float64",
    "error_name": "string",
    "error_unit": "string",
    "agrees": "boolean",
    "id": "string",
    "size_name": "string",
    "baseline": "string",
    "ratio_level": "Float64",
    "intensity": "Float64",
    "transfer_out_s": "Float64",
    "modes": "string",
    "device_source": "string",
    "kernel_source": "string",
    "launches": "Float64",
    "throttled": "Int64",
    "throttle": "string",
    "sm_mhz": "Float64",
    "power_w": "Float64",
    "temperature_c": "Float64",
    "product_bits": "Float64",
    "gathered": "boolean",
    "communicated_bytes": "Float64",
    "communicated_reason": "string",
    "placement": "string",
    "device_bytes": "Int64",
}
"""The columns and their pandas dtypes, all of which have a null. Those from ``id`` on go beyond the
contract: the case's id, the preset its size came from, the ``backend@device`` its ratio is against, the
coverage of the ratio's interval, operations a compulsory byte, the time of the outputs' way to the host,
the two times between which its processes are divided, where they are, what told ``device_s`` (or why
nothing did) and ``kernel_s``, how many kernels a call launches, what ``report.cards`` says, of a
float32 case the bits that products of its backend were seen to keep, and of a case on several devices
what its ``Sharding`` says."""


def column(values: Sequence[Any], name: str) -> Any:
    storable = [_text(v) for v in values] if COLUMNS[name] == "string" else list(values)
    return pd.array(storable, dtype=COLUMNS[name])  # type: ignore[call-overload]


def _text(value: Any) -> str | None:
    # What a file name or a library's message may hold, and a column of text may not: lone surrogates.
    return None if value is None else str(value).encode(errors="backslashreplace").decode()
