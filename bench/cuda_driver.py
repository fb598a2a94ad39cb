"""What NVIDIA's driver tells of a card, for libraries that do not ask it."""

import ctypes

L2_CACHE_SIZE = 38
"""CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE of cuda.h."""


def l2_bytes(index: int) -> int | None:
    """Bytes of the L2 cache of a card, by the index CUDA gives it; ``None`` without card or driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, size = ctypes.c_int(), ctypes.c_int()
    faults = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), index)
        or driver.cuDeviceGetAttribute(ctypes.byref(size), L2_CACHE_SIZE, device)
    )
    return None if faults else size.value
