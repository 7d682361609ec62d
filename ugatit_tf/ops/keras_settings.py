"""Keras' settings of the user, from `keras.json` or set in Python: which of them the networks can be built under."""

import keras

from ugatit_tf.errors import UsageError

# A network chooses by itself what it multiplies in (`precision`): another type on top makes sums and norms too coarse.
FLOATS = {"float32"}


def check_keras_settings() -> None:
    """Raises a UsageError that names the setting, where a network would fail under one or compute something else."""
    policy = keras.config.dtype_policy().name
    needs = {
        "keras.config.set_image_data_format('channels_last')": keras.config.image_data_format() == "channels_last",
        "keras.config.set_floatx('float32')": keras.config.floatx() in FLOATS,
        "keras.config.set_dtype_policy('float32')": policy in FLOATS,
    }
    missing = [call for call, is_met in needs.items() if not is_met]
    if missing:
        raise UsageError(
            f"The networks of ugatit_tf need other settings of Keras, in keras.json or by {' and '.join(missing)}; "
            "Config(precision=...) chooses float16 or bfloat16."
        )
