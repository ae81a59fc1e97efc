# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps report, comment and deployment: what GitLab shows of a build. Knows GitLab's API; decides nothing."""

from __future__ import annotations

import urllib.parse

from mlops_steps.outcome import BadInput
from mlops_steps.rollout import known
from mlops_steps.service import Refused, Service

PAGE = 100
DESCRIPTION = 255  # GitLab cuts no longer text, it refuses it
OUTSIDE = "stopped outside of a step, see the build's log"


class GitLab:
    """The project at GitLab."""

    def __init__(self, project):
        token = project.env.get("MLOPS_GITLAB_TOKEN")
        if not token:
            raise BadInput("MLOPS_GITLAB_TOKEN is empty, bind the credential gitlab-api to it")
        self.service = Service("GitLab", project.policy_value("gitlab_url"), {"PRIVATE-TOKEN": token}, project.ca_file)
        self.base = "/api/v4/projects/" + urllib.parse.quote(project.policy_value("project"), safe="")

    def get(self, path, **query):
        return self.service.get(self.base + path, **query)

    def send(self, verb, path, body):
        return self.service.send(verb, self.base + path, body)

    def merge_request(self, project):
        """The merge request of the build, None where there is none."""
        if number := project.env.get("CHANGE_ID"):
            return self.get(f"/merge_requests/{number}")
        if project.env.get("TAG_NAME"):
            return None
        found = self.get("/merge_requests", source_branch=project.ref, state="opened", order_by="created_at", sort="desc", per_page=1)
        return found[0] if found else None


def report(project, options):
    """The state of the build, or of one stage, at its commit."""
    gitlab, sha = GitLab(project), project.commit
    if project.env.get("CHANGE_ID"):
        # Jenkins may build the merge of it, a commit that GitLab does not have.
        sha = gitlab.merge_request(project)["sha"]
        built = project.git("rev-list", "--parents", "-1", project.commit).split()
        if built and sha not in built:
            print(f"GitLab was not told {options.state}: the merge request is at {sha[:8]} by now, whose own build reports; this one built {built[0][:8]}")
            return
    body = {"state": options.state, "name": f"mlops/{options.stage}" if options.stage else "mlops", "description": described(project, options)[:DESCRIPTION]}
    if project.env.get("BUILD_URL"):
        body["target_url"] = project.env["BUILD_URL"]
    try:
        gitlab.send("POST", f"/statuses/{sha}", body)
    except Refused as error:
        # Said before: GitLab takes no state twice in a row.
        if error.status != 400 or "transition" not in error.said.lower():
            raise
    print(f"GitLab: {body['name']} {options.state} at {sha[:8]}")


def described(project, options):
    """One line for the state: why it failed, or what came of it."""
    if options.state == "failed":
        return "; ".join(reasons(project)) or OUTSIDE
    made = project.read("package.json")
    if options.state == "success" and not options.stage:
        return f"{made['model']} {made['version']}" if made else "all checks passed"
    return (project.read("reason.json") or {}).get("reason", "") if not options.stage else ""


def reasons(project):
    """Why the build's steps failed."""
    return [step["reason"] for step in project.steps() if step["exit"] and step["step"] not in ("report", "comment", "deployment")]


def comment(project, options):
    """One comment on the merge request, which each build writes anew."""
    gitlab = GitLab(project)
    found = gitlab.merge_request(project)
    if found is None:
        print(f"no merge request is open for {project.ref}: nothing to comment on")
        return
    notes, text = f"/merge_requests/{found['iid']}/notes", body(project, options.state)
    earlier = own_note(gitlab, notes, marker(project))
    if earlier:
        gitlab.send("PUT", f"{notes}/{earlier}", {"body": text})
    else:
        gitlab.send("POST", notes, {"body": text})
    print(f"GitLab: comment on merge request !{found['iid']} {'written anew' if earlier else 'added'}")


def marker(project):
    """The line by which the pipeline finds its own comment."""
    return f"<!-- mlops: {project.model} -->"


def own_note(gitlab, notes, mark):
    """The id of the comment that begins with the marker, None where there is none yet."""
    page = 1
    while True:
        found = gitlab.get(notes, page=page, per_page=PAGE, sort="asc", order_by="created_at")
        for note in found:
            if note["body"].startswith(mark):
                return note["id"]
        if len(found) < PAGE:
            return None
        page += 1


def body(project, state):
    """The comment: result, reasons, metrics beside those of the version in production."""
    why, validation, made = reasons(project), project.read("reports/validation.json"), project.read("package.json")
    if state == "failed" and not why:
        why = [OUTSIDE]
    title = "canceled" if state == "canceled" else "not good enough yet" if state == "failed" or why else "all checks passed"
    lines = [marker(project), f"### {project.model}: {title}", ""]
    lines += [f"* {escaped(reason)}" for reason in why]
    if made:
        lines += [f"Version `{made['version']}`, {made['bytes']} bytes."]
    lines += metrics_table((validation or {}).get("checks", []), (project.read("baseline.json") or {}).get("version"))
    if project.env.get("BUILD_URL"):
        lines += ["", f"[Build {project.env.get('BUILD_NUMBER', '')}]({project.env['BUILD_URL']}) of `{project.commit[:8]}`"]
    return "\n".join(lines) + "\n"


def metrics_table(checks, before=None):
    """Lines of Markdown; a bound that is missed stands out. before: the version in production, where its name is known."""
    rows = [check for check in checks if check.get("kind") == "metric" and check.get("figures", {}).get("value") is not None]
    if not rows:
        return []
    lines = ["", f"| check | this version | in production{f' (`{before}`)' if before else ''} | bound | |", "|---|---|---|---|---|"]
    for check in rows:
        figures = check["figures"]
        name = figures["metric"] + (f" where {figures['slice']}" if figures.get("slice") else "")
        cells = [escaped(name), *(number(figures.get(key)) for key in ("value", "production", "bound")), "" if check["result"] == "pass" else "**missed**"]
        lines.append(f"| {' | '.join(cells)} |")
    if all(check["figures"].get("production") is None for check in rows):
        lines += ["", "No version is in production to compare with."]
    return lines


def number(value):
    """Four digits that count; a dash for nothing."""
    return "-" if value is None else f"{value:.4g}"


def escaped(text):
    """Text that Markdown takes as it is: reasons quote what the project's tests print."""
    for sign in "\\`*_[]<>|~#@":
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return " ".join(text.split())


def deployment(project, options):
    """A deployment to an environment: made when it begins, finished when it ends."""
    environment, name = known(project, options.environment), f"deployment-{options.environment}.json"
    gitlab, begun = GitLab(project), project.read(name)
    if begun and options.status != "running":
        gitlab.send("PUT", f"/deployments/{begun['id']}", {"status": options.status})
    else:
        made = gitlab.send("POST", "/deployments", {"environment": environment, "sha": project.commit, "ref": project.ref,
                                                    "tag": bool(project.env.get("TAG_NAME")), "status": options.status})
        project.write(name, {"id": made["id"], "environment": environment})
    print(f"GitLab: deployment to {environment} {options.status}")
