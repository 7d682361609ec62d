"""The strategy of `tf.distribute` by which a training uses several devices."""

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from ugatit_tf.distribution import MIRRORED, MULTI_WORKER, NONE, channel, cluster
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
    _leave_watching_to_channel(workers)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=workers.resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunError(f"--strategy multi_worker: TensorFlow cannot connect the workers: {reason(error)}.") from error


def _leave_watching_to_channel(workers: Cluster) -> None:
    """Lets TensorFlow wait for a silent worker for longer than the channel, which names the worker.

    TensorFlow waits for 10 s by default. Then all workers fail, also where one of them only paused: a virtual machine
    that moves, or memory that is swapped out. There is no public function for it, so this makes the configuration
    that the strategy makes otherwise.
    """
    spec = workers.resolver.cluster_spec()
    jobs = sorted(spec.jobs)  # the chief's is the first, where it has its own
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{jobs[0]}/replica:0/task:0",
        heartbeat_timeout_in_ms=round(2000 * channel.PATIENCE),
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=spec.num_tasks(job)) for job in jobs],
    )
