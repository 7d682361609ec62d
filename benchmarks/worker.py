"""Measures one configuration in a process of its own. This is a program, not a module.

`PYTHONPATH=CHECKOUT python benchmarks/worker.py SPECIFICATION` measures the package of that checkout. SPECIFICATION is
a JSON object with the arguments of `measure`. The last line of the output is a JSON object with the results. The
checkout may be another version of the project. So this program uses only names that have not changed, and also looks
for modules under their earlier names.
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

_BLOCK_SECONDS = 0.5  # the approximate length of one timing, which covers several calls if they are short


def measure(
    *,
    work: str = "",
    config: Mapping[str, Any] = {},
    threads: str = "",
    repeats: int = 5,
    convolutions: bool = False,
    devices: Sequence[str] = (),
    exchange: bool = True,
    without: str = "",
) -> dict[str, Any]:
    """Measures the time of training steps or of a translation, which are set up as in their phases.

    Args:
        work: "training" for steps on random images that are already in memory; "translation" for the translation of a
            batch; "" for nothing.
        config: the values that differ from `Config`'s defaults.
        threads: the training's threads, as a value of `--threads`; "" means the phase's choice.
        repeats: the number of timings, whose median is the result.
        convolutions: whether to measure the speed of convolutions between the timings.
        devices: the devices that share the batches of a training, as in `--devices`; empty means the phase's choice.
        exchange: whether the devices exchange data. Without, each trains alone, which shows the cost of the exchange.
        without: the CPU kernel of `benchmarks.kernels` to take out; "" for none.

    Returns:
        Always:
            tensorflow: its version.
            gpu: the name of the GPU; "" on a CPU.
            inter_op_threads: operations at a time, as set in TensorFlow; 0 means all cores.
            intra_op_threads: cores for each operation, as set in TensorFlow; 0 means all cores.
        With work:
            seconds: the time of a step or of the batch.
            start_s: the seconds from the start of this function to the end of the first call.
            peak_gb: the peak of the host's memory.
            gpu_peak_gb: the peak memory of tensors on a GPU, if there is one.
            gflops: 10^9 multiplications and additions per second in 3x3 convolutions, 256 to 256 channels at 64x64 px,
                as many convolutions at a time as the work has operations; only with `convolutions`.
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
    if without:
        from benchmarks import kernels

        kernels.take_out(without)
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
        with contextlib.suppress(ValueError, tf.errors.OpError):  # raised if the allocator does not count
            result["gpu_peak_gb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    return result


def _training(settings: Any, devices: Sequence[str] = (), exchange: bool = True) -> Callable[[], Any]:
    """Returns a function that computes one call of training steps and returns a metric."""
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
    """Returns a function that translates a batch and returns the outputs."""
    from ugatit_tf.inference import Translator

    networks = _module("ugatit_tf.training.networks", "ugatit_tf.training.ugatit")
    translator = Translator(networks.build_generator(settings, "B"), settings.img_size, settings.img_ch)
    pictures = np.zeros(_shape(settings), np.uint8)
    return lambda: translator.translate(pictures).image


def _shape(settings: Any) -> tuple[int, int, int, int]:
    return settings.batch_size, settings.img_size, settings.img_size, settings.img_ch


def _set_up() -> None:
    """Configures the process as a command does before it loads TensorFlow."""
    with contextlib.suppress(ModuleNotFoundError):
        from ugatit_tf.system import startup

        startup.configure()
        if hasattr(startup, "load_tensorflow"):  # earlier versions loaded it in configure()
            startup.load_tensorflow()
        return
    importlib.import_module("main")  # in an earlier version, importing this module did it


def _prepare(settings: Any, work: str, threads: str, devices: Sequence[str]) -> None:
    """Sets up device, threads and allocator, as the phase for this work does."""
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
        try:
            from ugatit_tf.system.share import keep_freed_memory
        except ImportError:  # an earlier version
            keep_freed_memory = _module("ugatit_tf.system.allocator", "ugatit_tf.allocator").keep_freed
        keep_freed_memory()


def _module(name: str, before: str) -> ModuleType:
    """Imports a module by its name, or by its name in earlier versions."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return importlib.import_module(before)


def _convolution_speed(speeds: list[float], at_once: int) -> Callable[[], None]:
    """Returns a function that appends the current speed of convolutions to `speeds`, in 10^9 operations per second."""
    import tensorflow as tf

    pairs = [(tf.random.normal((1, 66, 66, 256)), tf.random.normal((3, 3, 256, 256))) for _ in range(at_once)]
    convolve = tf.function(lambda: [tf.nn.conv2d(features, kernel, 1, "VALID") for features, kernel in pairs])
    convolve()

    def run() -> None:
        speeds.append(2e-9 * 3**2 * 256 * 256 * 64**2 * at_once / _block(convolve, 20))

    return run


def _seconds(call: Callable[[], Any], repeats: int, between: Callable[[], None]) -> float:
    """Returns the median time of a call.

    It times blocks of calls, so that it does not wait for a GPU after each call.
    """
    call()
    calls = max(1, round(_BLOCK_SECONDS / _block(call, 1)))
    times = []
    for _ in range(repeats):
        between()
        times.append(_block(call, calls))
    return statistics.median(times)


def _block(call: Callable[[], Any], calls: int) -> float:
    """Returns the seconds per call, measured until the output of the last call is available."""
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
