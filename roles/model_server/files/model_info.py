# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells Prometheus which model, version and digest each slot of this host holds, from the state files that releases write.

It reads them and asks no server: whether a slot answers is the business of HAProxy's metrics. Usage: model_info.py ROOT FILE [ENVIRONMENT]
"""

import json
import os
import sys
from pathlib import Path

HEAD = (
    "# HELP mlops_model_info What a slot of a model holds; 1 for every slot that was set up.\n# TYPE mlops_model_info gauge\n",
    "# HELP mlops_model_active 1 for the slot that was committed and serves, 0 for the other one.\n# TYPE mlops_model_active gauge\n",
    "# HELP mlops_model_bad Versions of the model that are marked bad on this host.\n# TYPE mlops_model_bad gauge\n",
)


def labels(**values):
    """Labels as Prometheus' text format writes them."""
    escaped = {name: str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in values.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def metrics(states, environment):
    """The text of all metrics for the contents of state.json files."""
    info, active, bad = [], [], []
    for state in sorted(states, key=lambda state: state["model"]):
        bad.append(f"mlops_model_bad{labels(model=state['model'], env=environment)} {len(state['bad'])}\n")
        for slot, name in sorted(state["slots"].items()):
            if name in state["releases"]:
                release = state["releases"][name]
                about = labels(model=state["model"], digest=release["digest"], version=release["version"], env=environment, slot=slot)
                info.append(f"mlops_model_info{about} 1\n")
                active.append(f"mlops_model_active{labels(model=state['model'], env=environment, slot=slot)} {int(slot == state['slot'])}\n")
    return "".join(line for head, lines in zip(HEAD, (info, active, bad), strict=True) for line in (head, *lines))


def main(root, file, environment=""):
    """Write the file by a rename, so that the collector never reads half of it."""
    states = [json.loads(path.read_text()) for path in Path(root).glob("*/state.json")]
    new = Path(f"{file}.new")
    new.write_text(metrics(states, environment))
    os.replace(new, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
