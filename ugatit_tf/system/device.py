"""The device that a command runs on, and TensorFlow's settings for it."""

import os

import tensorflow as tf

from ugatit_tf.system import startup


def prepare(*, deterministic: bool = False) -> str:
    """Sets TensorFlow up, before anything runs on it: GPU memory grows as needed, graphs start fast.

    Args:
        deterministic: whether every operation has to give the same bits each time, for the rest of the process.

    Returns:
        The device as the user is told it, and where to read more if it is not a GPU.
    """
    # Grappler would take longer over the training step's graph than it ever wins back: fusions that do not need it
    # (convolution and bias) happen all the same.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        # One operation at a time, each on all cores: as fast, and with fewer tensors in memory at once.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        why = "TensorFlow cannot use the GPU of this machine," if startup.expects_gpu() else "for a GPU"
        return f"CPU ({os.cpu_count()} cores); {why} see docs/troubleshooting.md"
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "GPU " + tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)


def for_batches() -> str | None:
    """The device to prefetch batches to; None for the host's memory."""
    return "/GPU:0" if tf.config.list_physical_devices("GPU") else None
