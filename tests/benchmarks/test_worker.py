import time

import pytest

from benchmarks import processes, worker


def test_a_time_is_the_median_of_blocks_of_half_a_second(monkeypatch):
    clock, calls, blocks = [0.0], [], []
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    lengths = [9.0, 0.1, *5 * [0.3], *5 * [0.1], *5 * [0.2]]  # the first has something to make, the second is typical

    def call():
        clock[0] += lengths[len(calls)]
        calls.append(clock[0])

    assert worker._seconds(call, 3, lambda: blocks.append(len(calls))) == pytest.approx(0.2)
    assert blocks == [2, 7, 12]


def test_what_takes_long_is_timed_alone(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    lengths = iter([9.0, 5.0, 4.0, 6.0, 5.5])

    def call():
        clock[0] += next(lengths)

    assert worker._seconds(call, 3, lambda: None) == 5.5


def test_an_error_is_one_line():
    error = ValueError("Graph execution error:\n\nDetected at node  x\n   and y\n")
    assert worker._in_a_line(error) == "ValueError: Graph execution error: Detected at node  x and y"


OLD_CHECKOUT = {
    "main": "import builtins; builtins.order = ['main']",
    "ugatit_tf/__init__": "",
    "ugatit_tf/config": """
        import dataclasses
        @dataclasses.dataclass
        class Config:
            img_size: int = 8
            img_ch: int = 3
            batch_size: int = 1
            steps_per_call: int = 1
            deterministic: bool = False
        """,
    "ugatit_tf/training/__init__": "",
    "ugatit_tf/training/device": "def prepare(*, deterministic): order.append(f'prepare {deterministic}')",
    "ugatit_tf/training/memory": "def keep_freed_if_ample(config): order.append('memory')",
    "ugatit_tf/training/ugatit": """
        class UGATIT:
            generator_B = None
            def __init__(self, config): order.append('model')
            def compile(self): order.append('compile')
        """,
    "ugatit_tf/training/stepping": """
        import time
        import tensorflow as tf
        class Stepper:
            def __init__(self, model, config): pass
            def run(self, batches):
                shapes = {tuple(images.shape) for batch in batches for images in batch}
                if order[-1] != "step":
                    order.extend([f"{len(batches)} of {shapes}", "step"])
                    print(order)
                time.sleep(0.6)
                return {"g_loss": tf.zeros(len(batches))}
        """,
}


@pytest.mark.slow
def test_a_checkout_of_an_earlier_layout_is_measured_too(tmp_path, monkeypatch):
    for name, text in OLD_CHECKOUT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(
            "\n".join(line[8:] if line[:1] == " " else line for line in text.split("\n"))
        )
    outputs = []
    run = processes.run
    monkeypatch.setattr(processes, "run", lambda *arguments: outputs.append(run(*arguments)) or outputs[-1])
    config = {"batch_size": 2, "steps_per_call": 4, "deterministic": True}
    result = processes.measure({"config": config, "work": "training", "repeats": 2}, root=tmp_path)
    steps = "4 of {(2, 8, 8, 3)}"
    assert outputs[0].startswith(str(["main", "prepare True", "memory", "model", "compile", steps, "step"]))
    assert 0.15 <= result["seconds"] < 0.6  # a call of 4 takes at least 0.6
    assert result["start_s"] > 0.6
    assert result["peak_gb"] > 0.1
    assert "gflops" not in result
