"""The strategy of `tf.distribute` by which a training uses several devices."""

import tensorflow as tf

from ugatit_tf.distribution import MIRRORED, MULTI_WORKER, NONE, cluster
from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.errors import RunError, UsageError, reason
from ugatit_tf.system import device


def choose(name: str, devices: tuple[str, ...]) -> str:
    """Which strategy is to be used.

    Args:
        name: one of STRATEGIES, or nothing: mirrored where there are several devices.
        devices: those to use, such as "GPU:0"; none: all GPUs.

    Raises:
        UsageError: where name, devices and TF_CONFIG contradict each other.
    """
    count = len(devices or device.gpus())
    if not name and cluster.names_several():
        raise UsageError(f"TF_CONFIG names several workers: give --strategy {MULTI_WORKER}, or --strategy {NONE}.")
    if name == MIRRORED and count < 2:
        raise UsageError("--strategy mirrored: needs several GPUs. To try it on a CPU: --devices CPU:0,CPU:1.")
    if name == NONE and len(devices) > 1:
        raise UsageError(f"--devices {','.join(devices)}: --strategy none uses one alone.")
    return name or (MIRRORED if count > 1 else NONE)


def open_strategy(name: str, workers: Cluster | None = None) -> tf.distribute.Strategy:
    """A strategy over all devices that TensorFlow may use; with NONE, the default strategy of one replica.

    Args:
        name: as `choose` gives it.
        workers: for MULTI_WORKER: all of them are there, and nothing has run on TensorFlow yet.

    Raises:
        RunError: where TensorFlow cannot connect the workers.
    """
    if name == NONE:
        return tf.distribute.get_strategy()
    if name == MIRRORED:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [part.name for part in gpus or tf.config.list_logical_devices("CPU")]
        # Parts of a CPU share its memory: collective operations, which wait for each other, would gain nothing.
        return tf.distribute.MirroredStrategy(devices, None if gpus else tf.distribute.ReductionToOneDevice())
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=workers.resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunError(f"--strategy multi_worker: TensorFlow cannot connect the workers: {reason(error)}.") from error
