"""`--phase serve`: serves a web page and an API that translate pictures with a run's checkpoints."""

import dataclasses
import ipaddress
import re

from ugatit_tf.config import Config
from ugatit_tf.direction import Direction
from ugatit_tf.options import (
    NOT_EMPTY,
    POSITIVE,
    Constraint,
    PhaseOptions,
    at_least,
    between,
    checkpoint_option,
    option,
    split_commas,
)
from ugatit_tf.system.startup import require_packages

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def _host_names(value: str) -> list[str]:
    """Returns the names in a comma-separated text as a browser sends them: in lower case and in ASCII (IDNA).

    Raises:
        ValueError: A part of the text is not a host name.
    """
    names = [part.removesuffix(".").encode("idna").decode().lower() for part in split_commas(value)] if value else []
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]} is not a host name")
    return names


def _are_names(value: str) -> bool:
    try:
        _host_names(value)
    except ValueError:  # includes UnicodeError, which IDNA raises
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The address to serve on, the checkpoint, and the limits of a request."""

    needs_run = True

    host: str = option(
        "127.0.0.1", "Address to listen on; 0.0.0.0 lets other machines on the network connect", NOT_EMPTY
    )
    allow_host: str = option(
        "",
        "Further names of the server, separated by commas, such as that of a proxy in front of it",
        Constraint("names such as faces.example.org, without http:// and port", _are_names),
    )
    port: int = option(8000, "Port to listen on; 0 takes any free port", between(0, 65535))
    checkpoint: str = checkpoint_option()
    max_pixels: int = option(50_000_000, "The most pixels of a picture", at_least(1))
    max_upload: int = option(32, "The most megabytes of a request", at_least(1))
    max_queue: int = option(
        64, "The most requests that may wait; further ones are refused with status 503", at_least(1)
    )
    timeout: float = option(60.0, "The most seconds that a request may take", POSITIVE)

    def validate(self, config: Config) -> None:
        super().validate(config)
        require_packages("--phase serve", "serve", "starlette", "uvicorn")


def run(config: Config, options: Options) -> None:
    """Serves until Ctrl-C.

    Raises:
        RunError: There is no such checkpoint, or the server cannot listen on the address.
    """
    import numpy as np

    from ugatit_tf.checkpoints.checkpoint import open_run
    from ugatit_tf.checkpoints.folder import RunFolder
    from ugatit_tf.export import web
    from ugatit_tf.serving import app
    from ugatit_tf.serving.networks import Networks
    from ugatit_tf.system import device, share

    on = device.prepare(precision=config.precision).partition(";")[0]
    share.keep_freed_memory()
    print(f"Device: {on}")
    chosen = open_run(config, which=options.checkpoint)
    networks = Networks(chosen.config, RunFolder(config.run_checkpoint_dir))
    checkpoint = networks.find(options.checkpoint)
    with app.listen(options.host, options.port) as listener:
        print(f"Loading {checkpoint} ...")
        for direction in Direction:  # loads and traces the networks, so that the first request need not wait
            size = (1, networks.config.img_size, networks.config.img_size, networks.config.img_ch)
            networks.translate(checkpoint, direction, np.zeros(size, np.uint8))
        settings = web.settings(config, chosen) | {"engine": "server", "device": on}
        limits = app.Limits(options.max_pixels, options.max_upload * 1_000_000, options.max_queue, options.timeout)
        address, port = listener.getsockname()[:2]
        if not ipaddress.ip_address(address).is_loopback:
            print(f"Warning: anyone who can reach {address} may use this server, and the connection is not encrypted.")
        if options.allow_host:
            print(f"Also answers to {', '.join(_host_names(options.allow_host))}")
        print(f"Serving on http://{address}:{port}, until Ctrl-C", flush=True)
        service = app.Service(networks, settings, options.checkpoint, limits)
        service.server(options.host, _host_names(options.allow_host)).run(sockets=[listener])
