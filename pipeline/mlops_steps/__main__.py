# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the steps runnable: `python3 pipeline/mlops_steps STEP` from any folder, or `python3 -m mlops_steps STEP`. Knows no step."""

import sys
from pathlib import Path

if not __package__:
    # Run as a folder, Python looks for imports inside of it.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from mlops_steps.cli import main

sys.exit(main(sys.argv[1:]))
