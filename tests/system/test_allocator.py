import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import ctypes, sys
from pathlib import Path
from ugatit_tf.system import allocator
libc = ctypes.CDLL(None)
if not hasattr(libc, "mallopt"):
    sys.exit("no glibc")
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
resident = lambda: 4096 * int(Path("/proc/self/statm").read_text().split()[1])
SIZE = 200_000_000
before = resident()
block = libc.malloc(SIZE)
libc.memset(block, 1, SIZE)
libc.free(block)
print((resident() - before) / SIZE)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
@pytest.mark.parametrize(("settings", "kept"), [("", 0.0), ("allocator.keep_freed()\n", 1.0)])
def test_freed_memory_is_kept_where_asked_for(settings, kept):
    program = MEASURE.replace("SIZE = ", f"{settings}SIZE = ")
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    if "no glibc" in done.stderr:
        pytest.skip("another allocator")
    assert float(done.stdout) == pytest.approx(kept, abs=0.1), done.stderr
