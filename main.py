"""Trains, tests and exports U-GAT-IT: `python main.py --phase train --dataset NAME`. `--help` lists all flags."""

import sys

from ugatit_tf.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
