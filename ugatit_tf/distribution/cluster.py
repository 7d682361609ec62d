"""The machines that train one run together, as TF_CONFIG or Slurm tells them."""

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import tensorflow as tf

from ugatit_tf.errors import UsageError

_EXAMPLE = '{"cluster": {"worker": ["HOST1:12345", "HOST2:12345"]}, "task": {"type": "worker", "index": 0}}'
_CHIEF, _WORKER = "chief", "worker"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and which of them this process is.

    Attributes:
        addresses: HOST:PORT of each. The first is the chief: it alone writes.
        index: of this process among them.
        resolver: what `tf.distribute` reads them from.
    """

    addresses: tuple[str, ...]
    index: int
    resolver: tf.distribute.cluster_resolver.ClusterResolver

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def name(self, index: int) -> str:
        """How a worker is called in messages."""
        return f"worker {index} of {len(self.addresses)} at {self.addresses[index]}"


def names_several() -> bool:
    """Whether TF_CONFIG names several workers, as on a machine of a cluster."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        cluster = json.loads(os.environ.get("TF_CONFIG", ""))["cluster"]
        return sum(len(cluster.get(job, ())) for job in (_CHIEF, _WORKER)) > 1
    return False


def resolve() -> Cluster:
    """The cluster that TF_CONFIG describes; where that is not set, Slurm's job step.

    Raises:
        UsageError: where neither is there, or makes no sense.
    """
    if "TF_CONFIG" in os.environ:
        _check(os.environ["TF_CONFIG"])
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif "SLURM_PROCID" in os.environ:
        resolver = _slurm()
    else:
        raise UsageError(f"--strategy multi_worker: TF_CONFIG is not set. On the first of two machines: {_EXAMPLE}")
    jobs = resolver.cluster_spec().as_dict()
    order = [(job, index) for job in (_CHIEF, _WORKER) for index in range(len(jobs.get(job, ())))]
    addresses = tuple(jobs[job][index] for job, index in order)
    return Cluster(addresses, order.index((resolver.task_type, resolver.task_id)), resolver)


def _check(text: str) -> None:
    """Raises a UsageError where TF_CONFIG does not say who works with whom."""
    try:
        problem = _problem(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"it is not JSON of the form that is asked for ({error})"
    if problem:
        raise UsageError(f"TF_CONFIG: {problem}. A right one, on the first of two machines: {_EXAMPLE}")


def _problem(config: Mapping[str, Mapping]) -> str | None:
    jobs, task = config["cluster"], config["task"]
    if unknown := set(jobs) - {_CHIEF, _WORKER}:
        return f"it names jobs other than {_CHIEF} and {_WORKER}: {', '.join(sorted(unknown))}"
    addresses = [address for job in jobs.values() for address in job]
    wrong = [address for address in addresses if not address.rpartition(":")[2].isdecimal()]
    if wrong:
        return f"{wrong[0]!r} is not HOST:PORT"
    if len(set(addresses)) < len(addresses):
        return "two workers have the same address"
    if len(jobs.get(_CHIEF, ())) > 1:
        return "there can be one chief"
    of_this_kind = jobs.get(task["type"], ())
    if not 0 <= int(task["index"]) < len(of_this_kind):
        return f"it has no {task['type']} {task['index']}: it names {len(of_this_kind)} of them, counted from 0"
    return None


def _slurm() -> tf.distribute.cluster_resolver.ClusterResolver:
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    try:
        # Which GPUs a task sees is set by Slurm itself; here, each stands for its task.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        resolver.cluster_spec()  # sets which task this is
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"--strategy multi_worker: Slurm's variables do not tell the workers ({error}).") from error
    return resolver


def leave() -> NoReturn:
    """Ends this process at once, with exit code 0, after everything is written and all workers have said goodbye.

    TensorFlow's own end of a process may wait for workers that have gone already: two chiefs were still there minutes
    after their last line.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):  # its reader may be gone
            stream.flush()
    os._exit(0)
