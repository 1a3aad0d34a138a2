"""``python -m penchant`` and ``accelerate launch -m penchant`` are the command line."""

from penchant.cli import main

if __name__ == "__main__":
    main()
