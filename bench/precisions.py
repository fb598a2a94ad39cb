"""What was asked of products of float32, by ``--precision``, and what the numbers say of it."""

TF32_TIMES = 2.0**13
"""TF32's eps, 2^-10, over that of float32: its numbers have 10 stored bits where float32 has 23."""
FULL_BITS, FEW_BITS = 24.0, 18.0
"""What float32 has, and below which factors were rounded to fewer bits: TF32 has 11, bfloat16 8."""


def is_reduced(error: float, limit: float, dtype: str, precision: str) -> bool:
    """Whether a float32 result that was let off with TF32's ``limit`` is beyond that of float32."""
    return dtype == "float32" and precision != "ieee" and limit / TF32_TIMES < error <= limit


def bits_against(precision: str, bits: float | None) -> str | None:
    """What is to be said of products of float32 that keep ``bits`` where ``precision`` was asked for."""
    if bits is None:
        return None
    if precision == "ieee" and bits < FEW_BITS:
        return f"products of float32 keep {bits:.0f} bits of 24, though ieee was asked for"
    if precision == "tf32" and bits >= FEW_BITS:
        return "computed in full float32: more than was asked"
    return None
