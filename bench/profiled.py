"""The gateway under cProfile: `python -m bench.profiled FILE serve` leaves its profile in FILE."""

import cProfile
import sys

from brokergw.cli.main import main

if __name__ == "__main__":
    target = sys.argv.pop(1)
    profile = cProfile.Profile()
    profile.enable()
    try:
        main()
    finally:
        profile.disable()
        profile.dump_stats(target)
