"""The server as a user starts it."""

import base64
import http.client
import importlib.util
import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

import main
from ugatit_tf.data import demo, images

ROOT = Path(__file__).parents[2]


@pytest.fixture
def arguments(tiny_config, save_generators):
    save_generators(tiny_config)
    run = tiny_config.run_checkpoint_dir
    return ["main.py", "--phase", "serve", "--run", run.name, "--checkpoint_dir", str(run.parent), "--port", "0"]


def error_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("main.py: ")
    assert error.count("\n") == 1
    return error


def test_a_checkpoint_that_is_not_there(arguments, capsys):
    assert main.main([*arguments, "--checkpoint", "8"]) == 1
    assert "has no checkpoint of step 8; it has steps 7." in error_line(capsys)


def test_missing_packages_are_named(arguments, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main.main(arguments) == 2
    assert "--phase serve needs starlette and uvicorn: pip install -r requirements-serve.txt" in error_line(capsys)


@pytest.mark.parametrize("names", ["https://faces.example.org", "faces.example.org:443", "a,,b", "faces/a", "*.b"])
def test_a_name_is_a_name_and_no_address_of_a_page(arguments, capsys, names):
    assert main.main([*arguments, "--allow_host", names]) == 2
    assert "names such as faces.example.org, without http:// and port" in error_line(capsys)


@pytest.fixture
def start(arguments):
    """Starts the server in a process of its own; returns that, its address, and what it has printed."""
    processes = []

    def run(*more):
        command = [sys.executable, ROOT / "main.py", *arguments[1:], *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        printed = ""
        while not (found := re.search(r"^Serving on http://([\w.:]+):(\d+), until Ctrl-C$", printed, re.MULTILINE)):
            line = process.stdout.readline()
            assert line, printed
            printed += line
        return process, (found[1], int(found[2])), printed

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def translate(address, body):
    connection = http.client.HTTPConnection(*address, timeout=120)
    connection.request("POST", "/translate", body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


@pytest.mark.slow
def test_500_requests_16_at_a_time_some_of_them_garbage(start):
    process, address, printed = start()
    assert address[0] == "127.0.0.1"
    assert "Warning" not in printed
    rng = np.random.default_rng(0)

    def body(index):
        file = images.encode(demo.draw("testA", index % 7, int(rng.integers(20, 600))))
        if index % 10 == 0:
            file = [b"", rng.bytes(1000), file[: len(file) // 2]][index // 10 % 3]
        message = json.dumps({"instances": [{"image_bytes": {"b64": base64.b64encode(file).decode()}}]}).encode()
        return message[:-3] if index % 50 == 0 else message

    bodies = [body(index) for index in range(100)]
    memory = []
    with ThreadPoolExecutor(16) as pool:
        for _ in range(5):
            answers = list(pool.map(lambda body: translate(address, body), bodies))
            for index, (status, answer) in enumerate(answers):
                if index % 10 == 0:
                    assert status == 400 and answer["error"], index
                else:
                    assert status == 200, answer
            memory.append(psutil.Process(process.pid).memory_info().rss / 1e6)
    assert memory[-1] - memory[1] < 30, memory
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


@pytest.mark.slow
def test_other_addresses_come_with_a_warning(start):
    _, address, printed = start("--host", "0.0.0.0")
    assert "Warning: anyone who can reach 0.0.0.0 may use this server, and the connection is not encrypted." in printed
    assert translate(address, b"")[0] == 400


def test_a_proxy_with_a_name_is_answered(start):
    _, address, printed = start("--allow_host", "Faces.example.org, münchen.example")
    assert "Also answers to faces.example.org, xn--mnchen-3ya.example\n" in printed
    statuses = {}
    for name in ("faces.example.org", "xn--mnchen-3ya.example", "other.example.org"):
        connection = http.client.HTTPConnection(*address, timeout=120)
        connection.request("GET", "/settings.json", headers={"Host": name, "Origin": f"https://{name}"})
        statuses[name] = connection.getresponse().status
        connection.close()
    assert statuses == {"faces.example.org": 200, "xn--mnchen-3ya.example": 200, "other.example.org": 403}
