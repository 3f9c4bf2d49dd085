"""The warm-up compiles each kernel once: a second type for an argument is a second compilation, in every new process and image."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SPECIALISATIONS_MAX = 1.1
"""A function, on average. A few have two or three types for a reason: numbers of any width are encoded, and days may be fractions."""
FUNCTIONS_MIN = 100
PROGRAM = """
import gc, json
from numba.core.dispatcher import Dispatcher
from riskray.grid.warmup import warm_kernels, warm_totals

warm_totals()
warm_kernels()
kernels = [found for found in gc.get_objects() if isinstance(found, Dispatcher) and found.signatures]
ours = [kernel for kernel in kernels if kernel.py_func.__module__.split(".")[0] in ("pricers", "riskray")]
print(json.dumps([[f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}", list(map(str, kernel.signatures))] for kernel in ours]))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a minute of one core
def test_warm_up_compiles_one_type_for_each_argument(tmp_path: Path) -> None:
    # A new process and an empty cache: a kernel that is loaded from the cache does not load the functions compiled into it.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    compiled = json.loads(ran.stdout.splitlines()[-1])
    assert len(compiled) >= FUNCTIONS_MIN
    several = "\n".join(f"{name}: {signatures}" for name, signatures in compiled if len(signatures) > 1)
    assert sum(len(signatures) for _, signatures in compiled) / len(compiled) <= SPECIALISATIONS_MAX, several
