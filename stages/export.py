"""An older name of ``avr export``: ``python -m stages.export DIR``."""

from pipeline.dataset.feature_files.__main__ import main

if __name__ == "__main__":
    main("python -m stages.export")
