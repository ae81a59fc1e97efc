# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Step summary: what each step took, and what was made and sent. Reads what other steps wrote."""

from __future__ import annotations


def summary(project, _options):
    """A table for people, build/summary.json for machines."""
    steps, made, sent = project.steps(), project.read("package.json"), project.read("publish.json")
    steps = [{name: step[name] for name in ("step", "seconds", "exit", "reason")} for step in steps]
    fetched = {}
    for path in sorted(project.build.glob("deploy-*.json")):
        report = project.read(path.name)
        if isinstance(report, dict) and "hosts" in report:
            fetched[path.stem.removeprefix("deploy-")] = sum(row["bytes_fetched"] for row in report["hosts"])
    found = {
        "model": project.model, "version": made["version"] if made else None, "commit": project.commit, "steps": steps,
        "seconds": round(sum(step["seconds"] for step in steps), 1),
        "files": len(made["files"]) if made else 0, "bytes": made["bytes"] if made else 0,
        "bytes_sent": sent["bytes_sent"] if sent else 0, "files_sent": sent["blobs_sent"] if sent else 0, "bytes_fetched": fetched,
    }
    project.write("summary.json", found)
    print(f"{'step':<24}{'seconds':>9}  result")
    for step in steps:
        print(f"{step['step']:<24}{step['seconds']:>9}  {'passed' if not step['exit'] else step['reason']}")
    if made:
        amounts = [f"{found['files']} files, {found['bytes']} bytes", f"{found['files_sent']} files, {found['bytes_sent']} bytes sent",
                   *(f"{amount} bytes to {environment}" for environment, amount in fetched.items())]
        print(f"{found['model']} {found['version']}: {'; '.join(amounts)}")
