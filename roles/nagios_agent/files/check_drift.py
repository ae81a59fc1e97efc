# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plugin for Nagios: have inputs or outputs of a model that this host serves drifted? Usage: check_drift input|output FILE

FILE is what Prometheus gets of this host's models, so that the two cannot disagree; who decides is written there.
"""

import os
import re
import sys
import time

OLD = 300
LINE = re.compile(r'(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def main(of, file):
    """Return (exit code, one line for people)."""
    try:
        with open(file, encoding="utf-8") as metrics:
            lines = [LINE.fullmatch(line.rstrip("\n")) for line in metrics if line.startswith(("mlops_model_drift_", f"mlops_model_{of}_psi"))]
            age = time.time() - os.fstat(metrics.fileno()).st_mtime
    except OSError as error:
        return 3, f"{file}: {error.strerror}; model_server_textfile of role model_server makes it"
    if age > OLD:
        return 3, f"{file} is older than {OLD} seconds: systemctl status model-info.timer"
    found = [(line[1], dict(LABEL.findall(line[2])), float(line[3])) for line in lines if line]
    alarms = {tuple(about[name] for name in ("model", "version", "slot")): value for metric, about, value in found
              if metric == "mlops_model_drift_alarm" and about["of"] == of}
    bounds = {about["slot"] + about["model"]: value for metric, about, value in found if metric == "mlops_model_drift_bound"}
    if not alarms:
        return 0, "no model that serves here is measured"
    bad = []
    for (model, version, slot), alarm in sorted(alarms.items()):
        if alarm:
            above = [(about.get("feature") or about.get("output"), value) for metric, about, value in found if metric.endswith("_psi")
                     and (about["model"], about["slot"]) == (model, slot) and value > bounds[slot + model]]
            # What Nagios, a shell or HTML would take for its own is left out: names come from a package.
            names = [f"{re.sub('[^A-Za-z0-9 ._()/+-]', '_', name)[:60]} {value:g}" for name, value in sorted(above, key=lambda one: -one[1])[:5]]
            bad.append(f"{of}s of {model} {version} have drifted: {', '.join(names)}")
    if bad:
        return 2, "; ".join(bad)
    return 0, f"{of}s of {', '.join(f'{model} {version}' for model, version, _slot in sorted(alarms))} are as they were"


if __name__ == "__main__":
    code, text = main(*sys.argv[1:])
    print(f"DRIFT {('OK', 'WARNING', 'CRITICAL', 'UNKNOWN')[code]} - {text}")
    sys.exit(code)
