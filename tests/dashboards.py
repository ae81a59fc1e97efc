# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a dashboard asks Prometheus, as Prometheus can be asked: its template variables are put in as if everything was chosen.

It knows the JSON of a dashboard and no test; whoever imports it brings the Prometheus.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

# What Grafana puts in by itself. The range is short, so that a Prometheus which was started a minute ago answers.
BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "5m"}
LABEL_VALUES = re.compile(r"label_values\((?:(?P<series>.+),\s*)?(?P<label>\w+)\)")


def panels(dashboard: dict) -> list[dict]:
    """All panels of a dashboard, those inside of closed rows too."""
    return [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", []))]


def expand(expression: str, values: dict[str, str]) -> str:
    """The expression with $name and ${name} put in; KeyError for a name that the dashboard does not have. $1 is PromQL's own."""
    return re.sub(r"\$(?:\{([a-z_]\w*)\}|([a-z_]\w*))", lambda match: values[match.group(1) or match.group(2)], expression)


def queries(path: str | Path) -> list[tuple[str, str]]:
    """[(title of the panel or variable, PromQL)] of one dashboard file."""
    dashboard = json.loads(Path(path).read_text())
    variables = dashboard["templating"]["list"]
    values = {**BUILT_IN, **{variable["name"]: variable["allValue"] for variable in variables if variable["type"] == "query"}}
    found = []
    for variable in variables:
        if variable["type"] == "query":
            match = LABEL_VALUES.fullmatch(variable["query"]["query"])
            found.append((f"variable {variable['name']}", f"count by ({match['label']}) ({expand(match['series'], values)})"))
    for note in dashboard["annotations"]["list"]:
        # No alert is the rule: that the expression can be read is all there is to see.
        found.append((f"annotation {note['name']}", f"{expand(note['expr'], values)} or vector(0)"))
    for panel in panels(dashboard):
        found += [(panel["title"], expand(target["expr"], values)) for target in panel.get("targets", [])]
    return found
