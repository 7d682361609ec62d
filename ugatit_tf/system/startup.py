"""What a command sets up before TensorFlow is loaded: which messages show, and where memory comes from."""

import functools
import gc
import importlib.machinery
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ugatit_tf.system import allocator

# Writes out what it has been sent, once no process is left that could send more. Ctrl-C, which reaches it too, ends it
# without a word.
_REPLAY = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.stderr.buffer.write(sys.stdin.buffer.read())
"""


class _Console(logging.Handler):
    """Prints the messages that the package logs: warnings to stderr, all others to stdout.

    The streams are looked up for each message, as a training redirects them while it runs. Unlike logging's own
    handlers, this one lets errors of writing pass: a closed pipe has to end the command (see terminal.py).
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one message, without the time and the place that logging would add."""
        if record.levelno >= logging.WARNING:
            print(f"Warning: {record.getMessage()}", file=sys.stderr, flush=True)
        else:
            print(record.getMessage(), flush=True)


_CONSOLE = _Console()


def configure() -> None:
    """Sets this process up as a command; to be called before the process has threads."""
    package = logging.getLogger("ugatit_tf")
    package.addHandler(_CONSOLE)  # once, however often this is called
    package.setLevel(logging.INFO)
    # The user's settings of Keras, its backend for one, are for other programs. Keras looks for them in this folder,
    # which can neither be there nor be made.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_HOME"] = os.devnull
    # What TensorFlow's graphs log (CPU features, fusions) is no news to the user; errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Nor are Pillow's warnings, of damaged EXIF for instance, which do not say in which file.
    warnings.filterwarnings("ignore", module="PIL")
    # TensorFlow's own allocator keeps regions for tensors of each size, glibc's an arena for each thread: with two for
    # all of them, a training needs about a tenth less.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    allocator.use_two_arenas()
    # Loading TensorFlow and tracing a graph make many objects that stay, of which by default each 700 are searched for
    # garbage: a tenth of all that happens before the first step.
    gc.set_threshold(50_000)
    if "tensorflow" not in sys.modules and sys.stderr is not None:
        sys.meta_path.insert(0, _QuietTensorFlow())


def hide_errors_of_tensorflow() -> None:
    """Hides what graphs log where another machine is gone, which is told in a line; before TensorFlow is loaded."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def expects_gpu() -> bool:
    """Whether this machine seems to have an NVIDIA GPU, and this process is allowed to see it."""
    is_there = any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None  # WSL has only that
    return is_there and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


class _QuietTensorFlow(MetaPathFinder):
    """Has TensorFlow loaded by `_load_quietly`, whichever module is the first to import it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(_load_quietly, spec.loader.exec_module)
        return spec


def _load_quietly(load: Callable[[ModuleType], None], tensorflow: ModuleType) -> None:
    """Loads TensorFlow and lets it look for devices; what it writes to stderr meanwhile shows only if that fails.

    It writes before any of its settings count, and calls a missing GPU an error. Another process holds the text, so
    that it shows as well when this one crashes: on a processor that lacks an instruction, for instance.
    """
    stderr = os.dup(2)
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", _REPLAY], stdin=subprocess.PIPE) as replay:
        os.dup2(replay.stdin.fileno(), 2)
        try:
            load(tensorflow)
            if tensorflow.config.list_physical_devices("GPU") or not expects_gpu():
                replay.kill()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
