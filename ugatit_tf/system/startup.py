"""Sets up a command before TensorFlow is loaded: its messages, its memory, its packages; then loads TensorFlow."""

import faulthandler
import gc
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from tqdm import tqdm

from ugatit_tf.errors import UsageError
from ugatit_tf.system import share


class _Console(logging.Handler):
    """Prints the messages that the package logs: warnings to stderr, all others to stdout.

    The streams are looked up for each message, as a training redirects them while it runs. Unlike logging's own
    handlers, this one lets errors of writing pass: a closed pipe has to end the command (see terminal.py).
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one message, without the time and the place that logging would add."""
        is_warning = record.levelno >= logging.WARNING
        stream = sys.stderr if is_warning else sys.stdout
        with tqdm.external_write_mode(file=stream):  # progress bars leave their line to the message
            print(f"Warning: {record.getMessage()}" if is_warning else record.getMessage(), file=stream, flush=True)


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
    share.use_two_arenas()
    # Loading TensorFlow and tracing a graph make many lasting objects. By default Python searches for garbage after
    # each 700 of them, which took a tenth of the time before the first step.
    gc.set_threshold(50_000)


def load_tensorflow(*, hide_errors: bool = False) -> None:
    """Loads TensorFlow and lets it look for devices; its output to stderr shows only if one of these fails.

    TensorFlow writes to stderr before it reads its settings, and calls a missing GPU an error. So a file takes its
    output. If the process crashes meanwhile, for instance on a processor that lacks an instruction, `faulthandler`
    writes the reason to stderr itself.

    Args:
        hide_errors: whether TensorFlow is to log no errors later: those of lost workers, which the command reports.
    """
    if "tensorflow" in sys.modules or sys.stderr is None:
        return
    if hide_errors:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    stderr, is_noise = os.dup(2), False
    faulthandler.enable(stderr)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 2)
        try:
            import tensorflow as tf

            is_noise = bool(tf.config.list_physical_devices("GPU")) or not expects_gpu()
        finally:
            faulthandler.disable()
            os.dup2(stderr, 2)
            os.close(stderr)
            if not is_noise:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))


def expects_gpu() -> bool:
    """Returns whether this machine seems to have an NVIDIA GPU that this process may use."""
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None  # WSL has only that
    return has_gpu and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


def require_packages(what: str, extra: str, *packages: str) -> None:
    """Raises a UsageError if packages of `requirements-<extra>.txt` that `what` needs are not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}: pip install -r requirements-{extra}.txt")
