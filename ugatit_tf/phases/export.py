"""`--phase export`: exports the trained generators for other programs, and verifies the exported files."""

import dataclasses
import re
from pathlib import Path

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError, UsageError, reason
from ugatit_tf.options import (
    NOT_EMPTY,
    Constraint,
    PhaseOptions,
    checkpoint_option,
    option,
    path_option,
    some_of,
    split_commas,
)
from ugatit_tf.system.startup import require_packages

FORMATS = ("saved_model", "tflite", "keras", "onnx", "web", "huggingface")


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The formats to write, and their folder."""

    needs_run = True

    checkpoint: str = checkpoint_option()
    export_dir: str = path_option("export", "Folder of the exported networks", NOT_EMPTY)
    export_format: str = option("saved_model", "Formats to export, separated by commas", some_of(FORMATS))
    web_runtime: str = path_option(
        "", "With --export_format web, a folder with the packages of LiteRT.js; by default, npm downloads them"
    )
    license: str = option(
        "",
        "With --export_format huggingface, the licence on the model card, such as mit; by default, none",
        Constraint("lower-case letters, digits, dots and dashes", re.compile(r"(?:[a-z0-9][a-z0-9.-]*)?").fullmatch),
    )
    overwrite: bool = option(False, "Replace an existing export")

    @property
    def formats(self) -> tuple[str, ...]:
        """The FORMATS that `export_format` names, each once."""
        return tuple(name for name in FORMATS if name in split_commas(self.export_format))

    def validate(self, config: Config) -> None:
        super().validate(config)
        if "onnx" in self.formats:
            require_packages("--export_format onnx", "onnx", "onnx", "onnxruntime")
        if "huggingface" in self.formats:
            require_packages("--export_format huggingface", "hub", "huggingface_hub")
        elif self.license:
            raise UsageError("--license is for --export_format huggingface.")


def run(config: Config, options: Options) -> None:
    """Writes `<export_dir>/<model_dir>/{A2B,B2A}/` in each requested format.

    The formats `web` and `huggingface` hold both directions, in `<export_dir>/<model_dir>/{web,huggingface}/`.

    Raises:
        RunError: There is no checkpoint, it does not fit the flags, the export exists already or cannot be written, or
            the exported network does not compute what the checkpoint computes. Nothing is put in place then.
    """
    import tensorflow as tf

    from ugatit_tf.checkpoints.checkpoint import open_run
    from ugatit_tf.export import export
    from ugatit_tf.system import device
    from ugatit_tf.system.files import replace_folder

    print(f"Device: {device.prepare()}")
    checkpoint = open_run(config, which=options.checkpoint)
    target = Path(options.export_dir) / config.model_dir
    try:
        with replace_folder(target, overwrite=options.overwrite) as folder:
            export.write(
                checkpoint, config, options.formats, folder, packages=options.web_runtime, licence=options.license
            )
    except tf.errors.OpError as error:
        raise RunError(f"cannot write {target}: {reason(error)}") from error
    print(f"Exported to {target}")
    if "web" in options.formats:
        print(
            f"To open the page, run python -m http.server 8000 --directory {target}/web and open http://localhost:8000"
        )
    if "huggingface" in options.formats:
        print(f"To publish it, look at {target}/huggingface, then run hf upload USER/NAME {target}/huggingface")
