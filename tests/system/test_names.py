"""Names for files that are made out of others."""

import os

from ugatit_tf.system.files import unique_names


def test_a_name_is_never_too_long_for_a_file():
    names = unique_names([f"{'x' * 250}.png", f"{'x' * 250}.jpg", f"{'셀' * 83}.png", "short.png"])
    assert len(set(names)) == 4
    assert names[3] == "short"
    assert all(len(os.fsencode(f"{name}.png")) <= 255 for name in names)
    assert names[2].startswith("셀" * 76)
