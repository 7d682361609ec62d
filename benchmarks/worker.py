"""A program, not a module: measures one configuration in its own process; prints a JSON object as its last line.

`PYTHONPATH=CHECKOUT python benchmarks/worker.py SPECIFICATION` measures the package of that checkout, which may be of
another version: this uses only what has kept its name, and looks for modules where they were before, too.
SPECIFICATION is a JSON object of `measure`'s arguments.
"""

import contextlib
import importlib
import json
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

_BLOCK_SECONDS = 0.5  # about so long is what is timed at once


def measure(
    *,
    work: str = "",
    config: Mapping[str, Any] = {},
    threads: str = "",
    repeats: int = 5,
    convolutions: bool = False,
    devices: Sequence[str] = (),
    exchange: bool = True,
) -> dict[str, Any]:
    """Times training steps or a translation, set up as in their phases.

    Args:
        work: "training": steps on random images that are there already; "translation": of a batch; "": nothing.
        config: what differs from `Config`'s defaults.
        threads: of the training, as `--threads` has them; "": the phase's choice.
        repeats: how many times it is timed; the median counts.
        convolutions: whether to measure their speed between what is timed.
        devices: those that share a training's batches, as `--devices` has them; none: the phase's choice.
        exchange: whether they exchange anything; else each trains alone, which shows what the exchange takes.

    Returns:
        Always: `tensorflow`, its version; `gpu`, its name, or "" on a CPU; and TensorFlow's settings `inter_op_threads`
        (operations at a time) and `intra_op_threads` (cores for each), where 0 means all cores. With work: `seconds`,
        of a step or of the batch; `start_s`, from here to the end of the first; `peak_gb`, of the host's memory;
        `gpu_peak_gb`, of tensors on a GPU; and `gflops`, 10^9 multiplications and additions a second in 3x3
        convolutions, 256 to 256 channels at 64x64 px, as many at a time as the work has operations.
    """
    start = time.perf_counter()
    _set_up()
    import tensorflow as tf

    from ugatit_tf.config import Config

    settings = Config(**config)
    _prepare(settings, work, threads, devices)
    gpus = tf.config.list_physical_devices("GPU")
    result: dict[str, Any] = {
        "tensorflow": tf.__version__,
        "gpu": tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "",
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }
    if not work:
        return result
    call = _training(settings, devices, exchange) if work == "training" else _translation(settings)
    np.asarray(call())
    result["start_s"] = time.perf_counter() - start
    speeds: list[float] = []
    between = _convolution_speed(speeds, result["inter_op_threads"] or 1) if convolutions else lambda: None
    result["seconds"] = _seconds(call, repeats, between) / (settings.steps_per_call if work == "training" else 1)
    if convolutions:
        result["gflops"] = statistics.median(speeds)
    unit = 1 if sys.platform == "darwin" else 1024
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    if gpus:
        with contextlib.suppress(ValueError, tf.errors.OpError):  # of an allocator that does not count
            result["gpu_peak_gb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    return result


def _training(settings: Any, devices: Sequence[str] = (), exchange: bool = True) -> Callable[[], Any]:
    """A call of the training's steps; gives a metric."""
    import tensorflow as tf

    from ugatit_tf.training.ugatit import UGATIT

    strategy = tf.distribute.get_strategy()
    if len(devices) > 1:
        from ugatit_tf.distribution import MIRRORED
        from ugatit_tf.distribution.strategy import open_strategy
        from ugatit_tf.training import replicas

        strategy = open_strategy(MIRRORED)
        if not exchange:
            replicas.mean = replicas.gather = lambda values: values
    with strategy.scope():
        model = UGATIT(settings)
        model.compile()
    stepper = _module("ugatit_tf.runs.stepping", "ugatit_tf.training.stepping").Stepper(model, settings)
    count, *sides = _shape(settings)
    part = tf.random.uniform((count // strategy.num_replicas_in_sync, *sides), -1.0, 1.0)
    images = strategy.experimental_distribute_values_from_function(lambda _: part) if len(devices) > 1 else part
    batches = [(images, images)] * settings.steps_per_call
    return lambda: stepper.run(batches)["g_loss"]


def _translation(settings: Any) -> Callable[[], Any]:
    """A translation of a batch; gives the outputs."""
    from ugatit_tf.inference import Translator

    networks = _module("ugatit_tf.training.networks", "ugatit_tf.training.ugatit")
    translator = Translator(networks.build_generator(settings, "B"), settings.img_size, settings.img_ch)
    pictures = np.zeros(_shape(settings), np.uint8)
    return lambda: translator.translate(pictures).image


def _shape(settings: Any) -> tuple[int, int, int, int]:
    return settings.batch_size, settings.img_size, settings.img_size, settings.img_ch


def _set_up() -> None:
    """Does what a command does before TensorFlow is loaded."""
    with contextlib.suppress(ModuleNotFoundError):
        from ugatit_tf.system import startup

        startup.configure()
        return
    importlib.import_module("main")  # an earlier version did it there, when imported


def _prepare(settings: Any, work: str, threads: str, devices: Sequence[str]) -> None:
    """Sets device, threads and allocator up, as the phase for that work does."""
    device = _module("ugatit_tf.system.device", "ugatit_tf.training.device")
    memory = _module("ugatit_tf.runs.memory", "ugatit_tf.training.memory")
    shares = []
    if work == "training" and hasattr(memory, "threads"):  # earlier versions had no choice
        shares = [device.Threads.parse(threads) or memory.threads(settings)]
    selected = {"devices": tuple(devices)} if devices else {}  # earlier versions had one device
    device.prepare(*shares, deterministic=settings.deterministic, **selected)
    if work == "training":
        memory.keep_freed_if_ample(settings, *shares)
    else:
        _module("ugatit_tf.system.allocator", "ugatit_tf.allocator").keep_freed()


def _module(name: str, before: str) -> ModuleType:
    """A module by its name, or by that which it had in earlier versions."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return importlib.import_module(before)


def _convolution_speed(speeds: list[float], at_once: int) -> Callable[[], None]:
    """A function that measures how many 10^9 operations a second convolutions do, and appends that to a list."""
    import tensorflow as tf

    pairs = [(tf.random.normal((1, 66, 66, 256)), tf.random.normal((3, 3, 256, 256))) for _ in range(at_once)]
    convolve = tf.function(lambda: [tf.nn.conv2d(features, kernel, 1, "VALID") for features, kernel in pairs])
    convolve()

    def run() -> None:
        speeds.append(2e-9 * 3**2 * 256 * 256 * 64**2 * at_once / _block(convolve, 20))

    return run


def _seconds(call: Callable[[], Any], repeats: int, between: Callable[[], None]) -> float:
    """The median of what a call takes, in blocks of calls; so a GPU is not waited for after each."""
    call()
    calls = max(1, round(_BLOCK_SECONDS / _block(call, 1)))
    times = []
    for _ in range(repeats):
        between()
        times.append(_block(call, calls))
    return statistics.median(times)


def _block(call: Callable[[], Any], calls: int) -> float:
    """Seconds a call, until the last one's output is there."""
    start = time.perf_counter()
    for _ in range(calls):
        output = call()
    np.asarray(output)
    return (time.perf_counter() - start) / calls


def _in_a_line(error: Exception) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {' '.join(line for line in lines if line)}"


if __name__ == "__main__":
    try:
        answer = measure(**json.loads(sys.argv[1]))
    except Exception as error:
        traceback.print_exc()
        answer = {"error": _in_a_line(error)}
    print(json.dumps(answer))
