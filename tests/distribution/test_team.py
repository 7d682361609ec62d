import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.distribution import channel, strategy
from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.distribution.team import SharedStop, Team, facts
from ugatit_tf.errors import UsageError
from ugatit_tf.system import device
from ugatit_tf.system.signals import StopRequest


@pytest.fixture
def two():
    return Team(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()))


@pytest.mark.parametrize(
    ("name", "devices", "gpus", "expected"),
    [
        ("", (), 0, "none"),
        ("", (), 1, "none"),
        ("", (), 2, "mirrored"),
        ("none", (), 2, "none"),
        ("", ("GPU:1",), 2, "none"),
        ("", ("CPU:0", "CPU:1"), 0, "mirrored"),
        ("multi_worker", (), 0, "multi_worker"),
    ],
)
def test_the_strategy_follows_from_the_devices(monkeypatch, name, devices, gpus, expected):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(device, "gpus", lambda: ["GPU"] * gpus)
    assert strategy.choose(name, devices) == expected


def test_contradictions_are_refused(monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda: [])
    with pytest.raises(UsageError, match=r"--strategy mirrored: needs several GPUs.*--devices CPU:0,CPU:1"):
        strategy.choose("mirrored", ())
    with pytest.raises(UsageError, match="--devices CPU:0,CPU:1: --strategy none uses one alone"):
        strategy.choose("none", ("CPU:0", "CPU:1"))
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    with pytest.raises(UsageError, match="TF_CONFIG names several workers"):
        strategy.choose("", ())


def test_a_batch_that_cannot_be_shared_is_refused_with_the_nearest_sizes(two):
    two.check(4, jit=False)
    with pytest.raises(UsageError, match=r"--batch_size 3: .* 2 cannot share it evenly\. Nearest: 2 or 4\."):
        two.check(3, jit=False)
    with pytest.raises(UsageError, match=r"Nearest: 2\."):
        two.check(1, jit=False)
    with pytest.raises(UsageError, match="--jit True: is for one device"):
        two.check(4, jit=True)
    assert str(two) == "2 replicas share each batch"


def test_each_replica_gets_its_part(two):
    def part_of_batches(share, device):
        assert device is None
        while True:
            yield tuple(tf.constant([10 * share[0] + domain + share[1] / 10]) for domain in range(2))

    domain_a, domain_b = next(two.batches(part_of_batches))
    local = two.strategy.experimental_local_results
    np.testing.assert_allclose(np.ravel(local(domain_a)), [0.2, 10.2])
    np.testing.assert_allclose(np.ravel(local(domain_b)), [1.2, 11.2])


def test_one_replica_gets_the_whole():
    batch = (tf.constant(1), tf.constant(2))
    assert next(Team(tf.distribute.get_strategy()).batches(lambda device: iter([batch]))) is batch


def test_a_process_alone_stops_when_it_is_asked_to(two):
    with StopRequest() as request:
        stop = SharedStop(two.strategy, request)
        assert not stop.agreed()
        request._event.set()
        assert stop.agreed()


@pytest.mark.parametrize(
    ("jobs", "leader"),
    [({"worker": ["h:1", "i:1"]}, "worker"), ({"worker": ["h:1"], "chief": ["i:1"]}, "chief")],
)
def test_tensorflow_waits_for_a_silent_worker_for_longer_than_the_channel(monkeypatch, jobs, leader):
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda cluster_resolver: None)
    fresh = context.Context()
    monkeypatch.setattr(context, "context", lambda: fresh)
    spec = tf.train.ClusterSpec(jobs)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, task_type="worker", task_id=0)
    strategy.open_strategy("multi_worker", Cluster(("h:1", "i:1"), 0, resolver))
    settings = fresh.coordination_service
    assert settings.heartbeat_timeout_in_ms > 1000 * channel.PATIENCE
    assert settings.service_leader == f"/job:{leader}/replica:0/task:0"
    assert {job.name: job.num_tasks for job in settings.coordinated_job_list} == {
        name: len(addresses) for name, addresses in jobs.items()
    }


def test_facts_tell_flags_images_and_versions_but_no_folders(tiny_config):
    sets = {"trainA": ImageSet("somewhere", ("1", "2"), None)}
    known = facts(tiny_config, sets)
    assert known["--ch"] == "2"
    assert known["TensorFlow"] == tf.__version__
    assert known["trainA"].startswith("2 images (")
    assert not {name for name in known if name.endswith("_dir")}
    other = facts(dataclasses.replace(tiny_config, dataset_dir="elsewhere"), sets)
    assert other == known
    renamed = facts(tiny_config, {"trainA": ImageSet("somewhere", ("1", "3"), None)})
    assert {name for name in known if known[name] != renamed[name]} == {"trainA"}
