"""Trainings by several devices and processes, as the command line starts them."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--deterministic --dataset demo --light --ch 2 --n_res 1 --img_size 32 --batch_size 6 --epoch 1 --decay_epoch 1 "
)
FLAGS += "--print_freq 1000 --log_freq 1 --save_freq 4"
TWO_DEVICES = ("--devices", "CPU:0,CPU:1")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}


def start(folder, *flags, **environment):
    """A process that trains in a folder; what it says goes to a file there."""
    folder.mkdir(exist_ok=True)
    program = environment.pop("program", ("-m", "ugatit_tf"))
    command = [sys.executable, *program, "--phase", "train", *FLAGS.split(), *map(str, flags)]
    with (folder / f"said{environment.pop('index', 0)}.txt").open("w") as said:
        return subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT | environment, stdout=said, stderr=subprocess.STDOUT
        )


def train(folder, *flags):
    assert start(folder, *flags).wait(300) == 0, said(folder)
    return said(folder)


def start_workers(folders, flags_of_each, *, seconds_between=0, **environment):
    """The processes of a cluster on this machine, the chief first, each in its folder and with flags of its own."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in folders]
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    processes = []
    for index, (folder, flags) in enumerate(zip(folders, flags_of_each, strict=True)):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        config = json.dumps(task)
        processes.append(
            start(folder, "--strategy", "multi_worker", *flags, TF_CONFIG=config, index=index, **environment)
        )
        time.sleep(seconds_between)
    return processes


def start_alike(folder, count, *flags):
    return start_workers([folder] * count, [flags] * count)


def codes(processes):
    return [process.wait(300) for process in processes]


def said(folder, index=0):
    return (folder / f"said{index}.txt").read_text()


def state(folder, step):
    (index,) = folder.glob(f"checkpoint/*/*.model-{step}.index")
    reader = tf.train.load_checkpoint(str(index.with_suffix("")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "GRAPH" not in name}


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def wait_for_step(folder, step):
    for _ in range(1200):
        if any(folder.glob(f"checkpoint/*/*.model-{step}.index")):
            return
        time.sleep(0.1)
    raise AssertionError(said(folder))


def test_two_devices_share_each_batch(tmp_path):
    text = train(tmp_path, *TWO_DEVICES, "--iteration", 2)
    assert "; mirrored\n2 replicas share each batch\n" in text.partition("demo trainA")[0]
    assert "Training is complete." in text
    text = train(tmp_path, "--iteration", 2)
    assert "Changed since the last run: 2 -> 1 replicas; the numbers are the same but for rounding" in text


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    """From one device to two and back to one; compared with one device throughout."""
    changing, same = tmp_path / "changing", tmp_path / "same"
    for epoch, devices in enumerate([(), TWO_DEVICES, ()], 1):
        for folder, flags in ((changing, devices), (same, ())):
            train(folder, *flags, "--epoch", epoch, "--decay_epoch", 3, "--iteration", 4)
    expected = state(same, 12)
    for name, value in state(changing, 12).items():
        if "optimizer" not in name:  # Adam turns noise into steps of up to lr, 1e-4, each
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=2e-3, err_msg=name)
    lines = re.compile(r"(Epoch: \[ 2\] \[ +\d/ +4\]) .* d_loss: (\S+), g_loss: (\S+)")
    points = [{step: losses for step, *losses in lines.findall(said(folder))} for folder in (changing, same)]
    shown = sorted(points[0].keys() & points[1].keys())  # the first and the last step; others where a second has passed
    assert len(shown) >= 2
    np.testing.assert_allclose(*([np.array(each[step], float) for step in shown] for each in points), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_workers_that_are_killed_go_on_bit_for_bit(tmp_path, count):
    flags = ("--iteration", 200)
    assert codes(start_alike(tmp_path / "whole", count, *flags)) == [0] * count, said(tmp_path / "whole")
    choose = random.Random(count)
    folder = tmp_path / "killed"
    for kill in range(5):
        workers = start_alike(folder, count, *flags)
        wait_for_step(folder, 32 * kill + 4)
        time.sleep(choose.random() / 2)
        victim = choose.randrange(count)
        workers[victim].kill()
        began = time.monotonic()
        assert codes(workers) == [-signal.SIGKILL if index == victim else 1 for index in range(count)]
        assert time.monotonic() - began < 60
        for index in set(range(count)) - {victim}:
            last = said(folder, index).splitlines()[-1]
            assert re.match(rf"__main__\.py: worker {victim} of {count} at \S+ has ended, or its connection has", last)
    assert codes(start_alike(folder, count, *flags)) == [0] * count, said(folder)
    assert_equal(state(folder, 200), state(tmp_path / "whole", 200))


@pytest.mark.slow
def test_a_worker_that_is_asked_to_stop_stops_all_after_the_same_step(tmp_path):
    flags = ("--iteration", 400)
    assert codes(start_alike(tmp_path / "whole", 2, *flags)) == [0, 0]
    folder = tmp_path / "stopped"
    workers = start_alike(folder, 2, *flags)
    wait_for_step(folder, 8)
    workers[1].send_signal(signal.SIGTERM)
    assert codes(workers) == [0, 0]
    assert "Stopped; the same command resumes from here." in said(folder)
    assert codes(start_alike(folder, 2, *flags)) == [0, 0]
    assert "Resuming at step" in said(folder)
    assert_equal(state(folder, 400), state(tmp_path / "whole", 400))


# Keeps the best checkpoint slowly, which comes last: longer than a worker that says nothing counts as alive.
SLOW_CHIEF = """
import sys, time
from ugatit_tf.__main__ import main
from ugatit_tf.runs.evaluation import Evaluation
evaluate = Evaluation.evaluate
def slowly(self, *arguments):
    entry = evaluate(self, *arguments)
    print("Scored", flush=True)
    time.sleep(50)
    return entry
Evaluation.evaluate = slowly
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("asked", [(), (1,), (0, 1)])
def test_all_end_well_though_the_chief_is_slow_to_end_and_is_asked_to_stop(tmp_path, asked):
    flags = ("--iteration", 4, "--evaluate_freq", 4, "--keep_best", "cycle")
    workers = start_workers([tmp_path] * 2, [flags] * 2, program=("-c", SLOW_CHIEF))
    for _ in range(3000):
        if "Scored" in said(tmp_path):
            break
        time.sleep(0.1)
    for index in asked:
        workers[index].send_signal(signal.SIGTERM)
    assert codes(workers) == [0, 0], said(tmp_path, 1)
    assert "Training is complete." in said(tmp_path)
    assert all(("Finishing this step" in said(tmp_path, index)) == (index in asked) for index in range(2))


@pytest.mark.slow
@pytest.mark.parametrize("paused", [0, 1])
def test_a_process_may_pause_for_20_seconds(tmp_path, paused):
    """TensorFlow's own limit is 10 s by default, that of the channel 40 s."""
    workers = start_alike(tmp_path, 2, "--iteration", 100)
    wait_for_step(tmp_path, 8)
    workers[paused].send_signal(signal.SIGSTOP)
    time.sleep(20)
    workers[paused].send_signal(signal.SIGCONT)
    assert codes(workers) == [0, 0], said(tmp_path, 1 - paused)


@pytest.mark.slow
def test_a_worker_may_come_late_and_needs_nothing_of_the_run(tmp_path):
    folders = [tmp_path / "chief", tmp_path / "worker"]
    train(folders[0], "--iteration", 4)
    shutil.copytree(folders[0], tmp_path / "mirrored")
    workers = start_workers(folders, [("--iteration", 8)] * 2, seconds_between=20)
    assert codes(workers) == [0, 0], said(folders[0])
    assert "Waiting for worker 1 of 2 at 127.0.0.1" in said(folders[0])
    assert "Resuming at step 4" in said(folders[0])
    assert [path.name for path in folders[1].iterdir()] == ["said1.txt"]
    train(tmp_path / "mirrored", *TWO_DEVICES, "--iteration", 8)
    expected = state(tmp_path / "mirrored", 8)
    for name, value in state(folders[0], 8).items():
        if "optimizer" not in name:
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-3, err_msg=name)


@pytest.mark.slow
def test_workers_with_other_images_are_refused(tmp_path):
    for index, count in enumerate((3, 4)):
        for split in ("trainA", "trainB"):
            folder = tmp_path / f"dataset{index}" / "mine" / split
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(b"never read")
    flags = [("--dataset", "mine", "--dataset_dir", f"dataset{index}") for index in range(2)]
    assert codes(start_workers([tmp_path] * 2, flags)) == [1, 1]
    for index in range(2):
        last = said(tmp_path, index).splitlines()[-1]
        assert re.search(r"worker 1 of 2 at \S+ differs from the chief: trainA is 4 images .* there, 3 images", last)
