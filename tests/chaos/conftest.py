"""The modules beside this file are found by name, also by the program that they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
