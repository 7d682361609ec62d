"""Sets up a command before TensorFlow is loaded: its messages, and its memory."""

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

# Writes the text that it received to stderr, after its senders have ended. Ctrl-C, which it receives too, ends it
# silently.
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
    package.propagate = False  # TensorFlow gives the root logger a handler, which would print each message again
    # The user's Keras settings, such as the backend, are meant for other programs. Keras reads them from KERAS_HOME,
    # and no folder can exist under the name that is set here.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_HOME"] = os.devnull
    # TensorFlow logs CPU features and fusions, which do not help the user. Its errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Pillow's warnings, about damaged EXIF for instance, do not name the file.
    warnings.filterwarnings("ignore", module="PIL")
    # TensorFlow's own allocator keeps regions for tensors of each size, and glibc keeps an arena for each thread. With
    # two arenas for all threads, a training needs about a tenth less memory.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    allocator.use_two_arenas()
    # Loading TensorFlow and tracing a graph make many lasting objects. By default Python searches for garbage after
    # each 700 of them, which took a tenth of the time before the first step.
    gc.set_threshold(50_000)
    if "tensorflow" not in sys.modules and sys.stderr is not None:
        sys.meta_path.insert(0, _QuietTensorFlow())


def hide_errors_of_tensorflow() -> None:
    """Hides TensorFlow's errors of lost workers, which the command reports itself; called before TensorFlow loads."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def expects_gpu() -> bool:
    """Returns whether this machine seems to have an NVIDIA GPU that this process may use."""
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None  # WSL has only that
    return has_gpu and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


class _QuietTensorFlow(MetaPathFinder):
    """An import hook that loads TensorFlow with `_load_quietly`, whichever module imports it first."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if name == "tensorflow" else None
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(_load_quietly, spec.loader.exec_module)
        return spec


def _load_quietly(load: Callable[[ModuleType], None], tensorflow: ModuleType) -> None:
    """Loads TensorFlow and lets it look for devices; its output to stderr shows only if that fails.

    TensorFlow writes to stderr before it reads its settings, and calls a missing GPU an error. Another process holds
    the text, so that it also shows if this process crashes, for instance on a processor that lacks an instruction.
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
