"""`--phase convert`: converts checkpoints from and to the TensorFlow 1 reference, and from the PyTorch port."""

import dataclasses
from pathlib import Path

from ugatit_tf.config import Config
from ugatit_tf.errors import UsageError
from ugatit_tf.options import PhaseOptions, path_option


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The checkpoint to convert from or to; exactly one of the two is given."""

    from_checkpoint: str = path_option(
        "", "Checkpoint to import: the reference's checkpoint or its folder, or a .pt file of the PyTorch port"
    )
    to_checkpoint: str = path_option("", "Folder to write the run's newest checkpoint to, in the reference's format")

    @property
    def needs_run(self) -> bool:
        return bool(self.to_checkpoint)

    def validate(self, config: Config) -> None:
        super().validate(config)
        if bool(self.from_checkpoint) == bool(self.to_checkpoint):
            raise UsageError("--phase convert takes either --from_checkpoint or --to_checkpoint.")


def run(config: Config, options: Options) -> None:
    """Converts `from_checkpoint` into a run's folder, or the run's newest checkpoint into `to_checkpoint`.

    Raises:
        RunError: The checkpoint, the flags or the target do not allow the conversion. Nothing is written then.
    """
    import tensorflow as tf

    from ugatit_tf.checkpoints import conversion
    from ugatit_tf.system import device

    device.prepare()
    with tf.device("CPU:0"):  # a GPU would only take memory: the conversion computes nothing
        if options.from_checkpoint:
            conversion.import_checkpoint(Path(options.from_checkpoint), config)
        else:
            conversion.export_checkpoint(Path(options.to_checkpoint), config)
