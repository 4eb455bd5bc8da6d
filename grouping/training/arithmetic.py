"""Reproducible arithmetic: the request to the library that multiplies matrices, and its answer.

The bits of a product depend on the order of its additions, and libraries choose that order by processor,
shape and alignment of the memory. Intel MKL, which PyTorch for x86-64 is built with, can be held to one
order: its "conditional numerical reproducibility". It is asked for by the environment, which MKL reads at its
first product, so this package asks when it is imported. A variable that is set already stays.

Other libraries (OpenBLAS and others on Arm, cuBLAS) have no such mode for products on one thread. What
products do on the machine at hand is therefore tried, see `grouping.training.engines.products`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from functools import cache
from pathlib import Path

from grouping.domain.trainings.arithmetic import Arithmetic

MKL_VARIABLE = "MKL_CBWR"
MKL_MODE = "AUTO,STRICT"
"""The order of the best instructions that the processor has, whatever the alignment of the memory. One order
for all processors, that of older instructions, takes up to half as long again, and other operations would
still differ between processors."""
CUBLAS_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
CUBLAS_MODE = ":4096:8"

_BRANCHES = {
    1: "off",
    2: "AUTO",
    3: "COMPATIBLE",
    4: "SSE2",
    5: "SSE3",
    6: "SSSE3",
    7: "SSE4_1",
    8: "SSE4_2",
    9: "AVX",
    10: "AVX2",
    11: "AVX512_MIC",
    12: "AVX512",
}
"""MKL's numbers of its orders, from its header file ``mkl_types.h``."""
_STRICT = 0x10000


def ask_for_reproducibility() -> None:
    """Set the environment to reproducible arithmetic, before the first product; keep what is set."""
    os.environ.setdefault(MKL_VARIABLE, MKL_MODE)
    os.environ.setdefault(CUBLAS_VARIABLE, CUBLAS_MODE)


@cache
def current_arithmetic() -> Arithmetic:
    """Return the arithmetic in effect in this process, which may differ from the one asked for."""
    import torch

    from grouping.training.data import best_device

    device = best_device()
    name = "CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    return Arithmetic(_processor(), torch.backends.cpu.get_cpu_capability(), _blas(), name)


def _processor() -> str:
    """Return the model of the processor; its architecture where the system does not tell the model."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _blas() -> str:
    import torch

    shown = torch.__config__.show()
    if torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        release = re.search(r"Math Kernel Library Version ([\d.]+)", shown)
        return f"MKL {release[1] if release else ''}".strip() + f", order of additions {_mkl_mode()}"
    library = re.search(r"\bBLAS_INFO=(\w+)", shown)
    return f"{library[1] if library else 'unknown'}, order of additions not fixed"


def _mkl_mode() -> str:
    """Return the mode in effect, as MKL itself reports it, where the build lets it be asked."""
    import torch

    folder = Path(torch.__file__).parent / "lib"
    for library in (*sorted(folder.glob("*torch_cpu*")), None):
        try:
            asked = ctypes.CDLL(None if library is None else str(library)).mkl_serv_cbwr_get
        except (OSError, AttributeError):
            continue
        asked.restype, asked.argtypes = ctypes.c_int, [ctypes.c_int]
        mode = int(asked(-1))  # all of it: the order, and whether it is strict
        branch = mode & ~_STRICT
        return _BRANCHES.get(branch, str(branch)) + (",STRICT" if mode & _STRICT else "")
    return f"{os.environ.get(MKL_VARIABLE, 'off')} as asked for"
