"""Translates a picture with an exported network. This program needs TensorFlow, but no code of this project.

python examples/use_saved_model.py export/<model_dir>/A2B/1 photo.jpg translated.png

If you have pixels instead of files, `model.translate_uint8(images)` maps uint8 [B, H, W, C] to uint8 [B, S, S, C].
"""

import sys
from pathlib import Path

import tensorflow as tf


def main(saved_model: str, picture: str, result: str) -> None:
    """Reads the file `picture` (JPEG, PNG, GIF or BMP, of any size), and writes the PNG file `result`."""
    model = tf.saved_model.load(saved_model)
    files = tf.constant([Path(picture).read_bytes()])  # a batch of one file
    translated = model.signatures["serving_default"](image_bytes=files)["image_bytes"]
    Path(result).write_bytes(translated[0].numpy())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
