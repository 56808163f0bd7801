"""The soak of tests/e2e/test_soak.py, for as long as it is told.

    build/venv/bin/python tests/soak.py --seconds 600
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--seconds", type=float, default=60)
seconds = parser.parse_args().seconds

os.environ["LLMOPS_SOAK"] = str(seconds)
os.execv(sys.executable, [
    sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini"),
    "--rootdir", str(HERE), "-q", str(HERE / "e2e" / "test_soak.py")])
