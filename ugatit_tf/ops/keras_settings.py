"""The user's settings of Keras, from `keras.json` or set in Python: the check that the networks can be built."""

import keras

from ugatit_tf.errors import UsageError

# A network chooses the dtype of its products itself (`precision`). A global setting would also change sums and norms,
# which need float32.
FLOATS = {"float32"}


def check_keras_settings() -> None:
    """Checks that the networks compute the right numbers under the present settings of Keras.

    Raises:
        UsageError: A setting differs from the needed one; the message names the call that sets it.
    """
    if keras.config.backend() != "tensorflow":
        raise UsageError(
            f"ugatit_tf needs TensorFlow as Keras' backend, not {keras.config.backend()}: set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
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
