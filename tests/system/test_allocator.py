import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import ctypes, sys
from pathlib import Path
from ugatit_tf.system import share
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

COUNT_ARENAS = """
import ctypes, sys, tempfile, threading
from ugatit_tf.system import share
libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit("no glibc")
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
SETTINGS
together = threading.Barrier(6)
def allocate():
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")


def run(program):
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    if "no glibc" in done.stderr:
        pytest.skip("another allocator")
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize(("settings", "kept"), [("", 0.0), ("share.keep_freed_memory()\n", 1.0)])
def test_freed_memory_is_kept_where_asked_for(settings, kept):
    assert run(MEASURE.replace("SIZE = ", f"{settings}SIZE = ")) == pytest.approx(kept, abs=0.1)


def test_threads_share_two_arenas():
    assert run(COUNT_ARENAS.replace("SETTINGS", "")) > 2
    assert run(COUNT_ARENAS.replace("SETTINGS", "share.use_two_arenas()")) == 2
