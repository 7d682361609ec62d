"""Makes names for files that are made from other files."""

import os
from collections import Counter
from collections.abc import Sequence

_LONGEST = 240  # bytes: the limit is 255, and the file gets an ending too


def unique_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Returns a unique name for each path: its stem, or its folder, stem and ending if several paths share the stem.

    Underscores are added if names are still equal. A name that is too long for a file system is cut and gets a number.
    """
    names_alone = (path.rpartition("/")[2] for path in paths)
    stems = [name.rpartition(".")[0] or name for name in names_alone]
    counts = Counter(stems)
    taken: set[str] = set()
    names = []
    for number, (path, stem) in enumerate(zip(paths, stems, strict=True)):
        name = stem if counts[stem] == 1 else "_".join(path.replace("/", "_").rsplit(".", 1))
        if len(os.fsencode(name)) > _LONGEST:
            name = f"{os.fsencode(name)[: _LONGEST - 10].decode(errors='ignore')}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)
