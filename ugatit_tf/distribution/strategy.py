"""The strategy of `tf.distribute` by which a training uses several devices."""

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from ugatit_tf.distribution import MIRRORED, MULTI_WORKER, NONE, channel, cluster
from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.errors import RunError, UsageError, reason
from ugatit_tf.system import device


def choose(name: str, devices: tuple[str, ...]) -> str:
    """Returns the name of the strategy to use.

    Args:
        name: one of STRATEGIES; or "", which stands for mirrored with several devices and for none otherwise.
        devices: the devices to use, such as "GPU:0"; none: all GPUs.

    Raises:
        UsageError: Name, devices and TF_CONFIG contradict each other.
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
    """Returns a strategy over all devices that TensorFlow may use; for NONE, the default strategy of one replica.

    Args:
        name: the name that `choose` returns.
        workers: the workers for MULTI_WORKER. All must have started, and TensorFlow must not have computed anything.

    Raises:
        RunError: TensorFlow cannot connect the workers.
    """
    if name == NONE:
        return tf.distribute.get_strategy()
    if name == MIRRORED:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [part.name for part in gpus or tf.config.list_logical_devices("CPU")]
        # Parts of a CPU share its memory, so collective operations, which wait for each other, would save nothing.
        return tf.distribute.MirroredStrategy(devices, None if gpus else tf.distribute.ReductionToOneDevice())
    _leave_watching_to_channel(workers)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=workers.resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunError(f"--strategy multi_worker: TensorFlow cannot connect the workers: {reason(error)}.") from error


def _leave_watching_to_channel(workers: Cluster) -> None:
    """Makes TensorFlow wait for a silent worker longer than the channel does, because the channel names the worker.

    By default TensorFlow waits for 10 s, then all workers fail, even if one of them only paused: a virtual machine that
    moves, or memory that is swapped out. No public function sets this time, so this function makes the configuration
    that the strategy would make.
    """
    spec = workers.resolver.cluster_spec()
    jobs = sorted(spec.jobs)  # if the chief has its own job, that is the first
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{jobs[0]}/replica:0/task:0",
        heartbeat_timeout_in_ms=round(2000 * channel.PATIENCE),
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=spec.num_tasks(job)) for job in jobs],
    )
