"""Colour profiles that the tests make: of three primaries, or of grey, with sRGB's curve or another."""

import struct

# XYZ of the primaries, adapted to D50, as such profiles hold them.
DISPLAY_P3 = ((0.515121, 0.241196, -0.001053), (0.291977, 0.692245, 0.041885), (0.157104, 0.066574, 0.784073))
SRGB = ((0.436066, 0.222488, 0.013916), (0.385147, 0.716873, 0.097076), (0.143066, 0.060608, 0.714096))
_D50 = (0.964203, 1.0, 0.824905)


def _fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space, tags):
    """A profile of version 4; tags are their contents by name."""
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x04300000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def curve(gamma=None):
    """sRGB's curve, or a power."""
    values = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045) if gamma is None else (gamma,)
    return b"para" + bytes(4) + struct.pack(">HH", 0 if gamma else 3, 0) + _fixed(*values)


def rgb(primaries, padding=b""):
    """A profile of three primaries; `padding` makes it as large as those of scanners and printers."""
    points = dict(zip((b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ"), (_D50, *primaries), strict=True))
    tags = {name: b"XYZ " + bytes(4) + _fixed(*point) for name, point in points.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve())
    if padding:
        tags[b"xtra"] = b"data" + bytes(4) + padding
    return profile(b"RGB ", tags)


def grey(gamma):
    return profile(b"GRAY", {b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50), b"kTRC": curve(gamma)})
