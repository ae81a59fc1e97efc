# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each kind through its whole life: made, left alone, rewritten by the controller, changed, read, fed back, purged, removed. Writes are what it was sent."""

from __future__ import annotations

import pytest

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret-line-of-key\n-----END OPENSSH PRIVATE KEY-----\n"
SECRETS = {"password": "pass-of-{}", "secret": "secret <&> of-{}", "content_base64": "c2VjcmV0LW9mLQ==", "private_key": KEY, "passphrase": "phrase-of-{}"}
ROTATING = {"update_secret": "when_changed", "fingerprint_key": "a long text from the vault"}
HIDDEN = ("pass-of-", "of-key", "c2VjcmV0", "phrase-of-", "<&> of-")
JJB = """
- job-template:
    name: "{name}"
    builders: [{shell: "make {what}"}]
    parameters: [{string: {name: A, default: "1"}}]
    triggers: [{timed: "@daily"}]
    publishers: [{archive: {artifacts: "*.txt"}}]
- project: {name: p, what: report, jobs: ["{name}": {name: nächtlich}]}
"""
XML = "<project><description>raw &amp; ready</description><builders><hudson.tasks.Shell><command>a\nb</command></hudson.tasks.Shell></builders></project>"

# kind: items, places besides, what is made, what is changed
LIVES = {
    "jenkins_folders": (
        "folders",
        "within",
        [{"name": "home/a b"}, {"name": "home", "display_name": 'The "Home"'}, {"name": "home/a b/ü+'", "description": "l1\nl2 <&>"}],
        [{"name": "home/a b", "description": "new"}, {"name": "home", "display_name": ""}, {"name": "HOME/a b/ü+'", "description": "changed"}],
    ),
    "jenkins_jobs": (
        "jobs",
        "folders",
        [
            {
                "name": "life/train ü",
                "type": "pipeline",
                "script": "node {\n  echo 'a & b <c>' + \"\\u001b\"\n  echo '\x1b[1m'\n}\n",
                "parameters": [
                    {"name": "S", "type": "string", "default": "x", "description": "d", "trim": True},
                    {"name": "T", "type": "text", "default": "two\nlines"},
                    {"name": "C", "type": "choice", "choices": ["a", "b"]},
                    {"name": "B", "type": "bool", "default": "true"},
                ],
                "cron": "@daily",
                "keep_builds": 5,
                "concurrent": False,
            },
            {
                "name": "life/scm",
                "type": "pipeline",
                "git_url": "https://git.example.org/x.git",
                "git_credentials_id": "git",
                "script_path": "ci/Jenkinsfile",
                "lightweight": False,
                "disabled": True,
            },
            {
                "name": "life/free+'style'",
                "type": "freestyle",
                "shell": ["make", "make test\n"],
                "git_url": "https://git.example.org/x.git",
                "git_branch": "main",
                "label": "linux && gpu",
                "poll_scm": "H * * * *",
                "description": 'says "hi"',
                "keep_days": 3,
            },
            {
                "name": "life/branches",
                "type": "multibranch",
                "git_url": "https://git.example.org/x.git",
                "includes": "main rel-*",
                "scan_interval": "1h",
                "orphans_keep_days": 3,
            },
            {"name": "life/nächtlich", "jjb": JJB},
            {"name": "life/raw", "xml": XML},
        ],
        [
            {
                "name": "life/train ü",
                "script": "echo 2",
                "parameters": [{"name": "C", "type": "choice", "choices": ["b", "a"]}],
                "cron": "",
                "concurrent": True,
            },
            {"name": "life/scm", "git_branch": "*/main", "git_credentials_id": "", "disabled": False},
            {"name": "life/free+'style'", "shell": ["make all"], "label": "", "poll_scm": "", "keep_days": 0, "keep_builds": 2},
            {"name": "life/branches", "includes": "", "excludes": "wip-*", "scan_interval": "never", "orphans_keep": 4, "script_path": "J"},
            {"name": "life/nächtlich", "jjb": JJB.replace("report", "other")},
            {
                "name": "life/raw",
                "xml": XML.replace("ready", "set").replace("<builders>", "<builders><hudson.tasks.Shell><command>0</command></hudson.tasks.Shell>"),
            },
        ],
    ),
    "jenkins_credentials": (
        "credentials",
        "folders",
        [
            {"id": "u/p ü", "type": "username_password", "username": "bö", "password": "pass-of-u", "description": "l1\nl2 <&>"},
            {"id": "text", "folder": "life", "type": "secret_text", "secret": "secret <&> of-t"},
            {"id": "file", "type": "secret_file", "file_name": "a b.txt", "content_base64": "c2VjcmV0LW9mLQ=="},
            {"id": "key", "type": "ssh_key", "username": "git", "private_key": KEY, "passphrase": "phrase-of-k", "scope": "system"},
            {"id": "cert", "type": "certificate", "keystore_base64": "c2VjcmV0LW9mLQ==", "password": "pass-of-c"},
        ],
        [
            {"id": "u/p ü", "description": "new", "password": "pass-of-u"},
            {"id": "text", "folder": "LIFE", "description": "now", "secret": "secret <&> of-t"},
            {"id": "file", "file_name": "other", "content_base64": "c2VjcmV0LW9mLQ=="},
            {"id": "key", "scope": "global", "private_key": KEY, "passphrase": "phrase-of-k"},
            {"id": "cert", "description": "c", "keystore_base64": "c2VjcmV0LW9mLQ==", "password": "pass-of-c"},
        ],
    ),
    "jenkins_nodes": (
        "nodes",
        None,
        [
            {
                "name": "in ü+",
                "launcher": "inbound",
                "remote_fs": "/srv/a b",
                "labels": ["b", "a"],
                "environment": {"A": 1, "b": "two <words>", "C": True},
                "tools": [{"type": "hudson.plugins.git.GitTool$DescriptorImpl", "name": "Default", "home": "/usr/bin/git"}],
                "offline": True,
                "offline_reason": "why & how",
            },
            {
                "name": "ssh",
                "launcher": "ssh",
                "host": "h",
                "credentials_id": "k",
                "remote_fs": "/srv",
                "host_key_verification": "provided",
                "host_key": "ssh-rsa AAAA",
            },
        ],
        [
            {"name": "in ü+", "labels": ["c"], "environment": {}, "tools": [], "offline": False, "work_dir": "/w", "executors": 3},
            {"name": "ssh", "port": 23, "host_key_verification": "known_hosts", "mode": "exclusive"},
        ],
    ),
    "jenkins_views": (
        "views",
        "folders",
        [{"name": "ü + 'v'", "jobs": ["b", "a"], "regex": "x.*", "columns": ["job", "status"]}, {"name": "w", "folder": "life", "recurse": True}],
        [{"name": "ü + 'v'", "jobs": ["c"], "regex": "", "description": "d"}, {"name": "w", "folder": "life", "columns": ["job"], "filter_queue": True}],
    ),
}


def results(answer):
    assert not answer.get("failed"), answer["msg"]
    return {result["result"] for result in answer["results"]}


def saved(jenkins):
    """The controller saves everything, as it does when a person changes something."""
    for name in jenkins.items:
        jenkins.save(name)


def key_of(item):
    return tuple(str(item.get(name, "")).casefold() for name in ("folder", "id", "name"))


@pytest.mark.parametrize("kind", LIVES)
def test_life(kind, run, both):
    items, within, made, changes = LIVES[kind]
    run("jenkins_folders", folders=[{"name": "life"}])
    more = ROTATING if kind == "jenkins_credentials" else {}

    def go(check=False, **options):
        both.clear()
        answer = run(kind, check, **more, **options)
        assert not any(word in str(answer) for word in HIDDEN)
        assert not any(b"secret-redacted" in request.body for request in both.seen), "a placeholder is no secret"
        assert not check or both.writes() == []
        return answer

    def unchanged(wanted):
        again = go(**{items: wanted})
        assert not again["changed"] and results(again) == {"unchanged"} and both.writes() == [], again["diff"]

    planned = go(True, **{items: made})
    assert planned["changed"] and results(planned) == {"created"}
    done = go(**{items: made})
    assert results(done) == {"created"} and done["changed"] and len(both.writes()) >= len(made)
    assert done["diff"] == planned["diff"] and done["results"] == planned["results"], "check mode told what the real run did"
    unchanged(made)
    saved(both)
    unchanged(made)

    planned = go(True, **{items: changes})
    assert planned["changed"] and results(planned) == {"updated"}, planned["results"]
    done = go(**{items: changes})
    assert results(done) == {"updated"} and done["changed"] and done["diff"] == planned["diff"]
    assert not any("doDelete" in write or "create" in write for write in both.writes())
    unchanged(changes)
    saved(both)
    unchanged(changes)

    gathered = go(state="gathered", **{items: [{name: item[name] for name in ("folder", "id", "name") if name in item} for item in made]})["gathered"]
    assert sorted(map(key_of, gathered)) == sorted(map(key_of, made))
    unchanged(gathered)
    everything = go(state="gathered")["gathered"]
    assert not go(purge=True, **{items: everything})["changed"] and both.writes() == []
    if within:
        there = go(state="gathered", **{within: ["life", ""]})["gathered"]
        assert not go(purge=True, **{items: there, within: ["life", ""]})["changed"]

    gone = [{name: item[name] for name in ("folder", "id", "name") if name in item} for item in made]
    planned = go(True, state="absent", **{items: gone})
    assert planned["changed"] and results(planned) == {"deleted"}
    done = go(state="absent", **{items: gone})
    assert done["changed"] and results(done) == {"deleted"} and len(both.writes()) == len(made)
    again = go(state="absent", **{items: gone})
    assert not again["changed"] and results(again) == {"unchanged"} and both.writes() == []


def test_secrets_follow_the_vault(run, jenkins):
    """A new secret is sent once, and the one that is there is what was sent last."""
    run("jenkins_folders", folders=[{"name": "life"}])
    made = LIVES["jenkins_credentials"][2]
    run("jenkins_credentials", credentials=made, **ROTATING)
    for option, element, index in (("password", "password", 0), ("secret", "secret", 1), ("passphrase", "passphrase", 3)):
        made[index] = made[index] | {option: f"{SECRETS[option].format('new')}"}
        planned = run("jenkins_credentials", True, credentials=made, **ROTATING)
        jenkins.clear()
        done = run("jenkins_credentials", credentials=made, **ROTATING)
        changed = [result["id"] for result in done["results"] if result["result"] == "updated"]
        assert changed == [made[index]["id"]] and done["diff"] == planned["diff"] and len(jenkins.writes()) == 1
        held = jenkins.credentials[made[index].get("folder", "")]["_"][made[index]["id"]]
        assert held.findtext(element) == made[index][option] and held.findtext("description").startswith(made[index].get("description", ""))
        jenkins.clear()
        assert not run("jenkins_credentials", credentials=made, **ROTATING)["changed"] and jenkins.writes() == []
    assert jenkins.credentials[""]["_"]["key"].findtext("privateKeySource/privateKey") == KEY
    gathered = run("jenkins_credentials", state="gathered")["gathered"]
    assert "[secret" not in str(gathered) and not any(word in str(gathered) for word in HIDDEN)


def test_on_create_and_always(run, jenkins):
    item = {"id": "x", "type": "secret_text", "secret": "pass-of-x"}
    assert results(run("jenkins_credentials", credentials=[item])) == {"created"}
    assert results(run("jenkins_credentials", credentials=[item | {"secret": "pass-of-y"}])) == {"unchanged"}
    assert results(run("jenkins_credentials", credentials=[item | {"secret": "pass-of-y"}], update_secret="always")) == {"updated"}
    assert jenkins.credentials[""]["_"]["x"].findtext("secret") == "pass-of-y"


def test_a_folder_keeps_its_credentials_and_views_over_a_change(run, both):
    run("jenkins_folders", folders=[{"name": "f"}])
    run("jenkins_credentials", credentials=[{"folder": "f", "id": "c", "type": "secret_text", "secret": "pass-of-c"}])
    run("jenkins_views", views=[{"folder": "f", "name": "v"}])
    run("jenkins_jobs", jobs=[{"name": "f/j", "type": "freestyle"}])
    assert results(run("jenkins_folders", folders=[{"name": "f", "description": "new", "display_name": "F"}])) == {"updated"}
    assert both.credentials["f"]["_"]["c"].findtext("secret") == "pass-of-c" and both.item("f/j") and "v" in both.item("f").views


def test_purge_stays_inside_what_is_named(run, jenkins):
    """Neither other folders, nor folders among jobs, nor what other kinds of views and credentials there are."""
    run("jenkins_folders", folders=[{"name": "a"}, {"name": "a/inner"}, {"name": "b"}])
    jobs = [{"name": name, "type": "freestyle"} for name in ("top", "a/stays", "a/goes", "a/inner/j", "b/j")]
    run("jenkins_jobs", jobs=jobs)
    planned = run("jenkins_jobs", True, purge=True, jobs=[{"name": "A/stays"}])
    jenkins.clear()
    done = run("jenkins_jobs", purge=True, jobs=[{"name": "A/stays"}])
    assert [result["name"] for result in done["results"] if result["result"] == "deleted"] == ["a/goes"] and done["diff"] == planned["diff"]
    assert jenkins.writes() == ["POST /job/a/job/goes/doDelete"] and len(jenkins.requests()) == 4, "names, what stays, a crumb: what goes is not read"
    assert [result["name"] for result in run("jenkins_jobs", purge=True, folders=["b"])["results"]] == ["b/j"]
    assert set(jenkins.items) == {"a", "a/inner", "a/inner/j", "a/stays", "b", "top"}
    run("jenkins_views", views=[{"name": "v"}, {"name": "w"}])
    done = run("jenkins_views", purge=True, views=[{"name": "v"}])
    assert [result["name"] for result in done["results"] if result["result"] == "deleted"] == ["w"] and set(jenkins.root.views) == {"all", "v"}
    run("jenkins_nodes", nodes=[{"name": "n", "launcher": "inbound", "remote_fs": "/x"}, {"name": "m", "launcher": "inbound", "remote_fs": "/x"}])
    done = run("jenkins_nodes", purge=True, nodes=[{"name": "n"}])
    assert [result["name"] for result in done["results"] if result["result"] == "deleted"] == ["m"] and set(jenkins.nodes) == {"n"}


def test_everything_however_deep(run, jenkins):
    names = ["/".join(f"d{level}" for level in range(depth + 1)) for depth in range(14)]
    run("jenkins_folders", folders=[{"name": name} for name in reversed(names)])
    run("jenkins_jobs", jobs=[{"name": f"{names[-1]}/j", "type": "freestyle"}])
    assert [job["name"] for job in run("jenkins_jobs", state="gathered")["gathered"]] == [f"{names[-1]}/j"]
    assert [folder["name"] for folder in run("jenkins_folders", state="gathered")["gathered"]] == names


def test_left_out_is_left_alone(run, jenkins):
    """What the options do not name stays in the job, also what no option can name."""
    jenkins.clear()
    run("jenkins_jobs", jobs=[{"name": "j", "type": "freestyle", "shell": ["a"]}])
    there = jenkins.item("j").xml.replace(
        "<publishers/>", "<publishers><hudson.tasks.ArtifactArchiver><artifacts>*</artifacts></hudson.tasks.ArtifactArchiver></publishers>"
    )
    jenkins.item("j").xml = there.replace("<properties/>", "<properties><no.such.Property><x>1</x></no.such.Property></properties>")
    assert not run("jenkins_jobs", jobs=[{"name": "j", "type": "freestyle", "shell": ["a"]}])["changed"]
    assert run("jenkins_jobs", jobs=[{"name": "j", "description": "d", "parameters": [{"name": "P", "type": "bool"}]}])["changed"]
    kept = jenkins.item("j").config
    assert kept.find("publishers/hudson.tasks.ArtifactArchiver") is not None and kept.findtext("properties/no.such.Property/x") == "1"
    gathered = run("jenkins_jobs", state="gathered")["gathered"][0]
    assert set(gathered) == {"name", "xml"}, "options cannot say it all"
    assert not run("jenkins_jobs", jobs=[gathered])["changed"]


def test_a_password_parameter_is_never_lost_nor_shown(run, both):
    wanted = [{"name": "j", "type": "pipeline", "script": "x", "parameters": [{"name": "P", "type": "password", "password": "pass-of-p"}]}]
    answers = [run("jenkins_jobs", jobs=wanted), run("jenkins_jobs", jobs=wanted)]
    both.save("j")
    sealed = both.item("j").config.findtext(".//defaultValue")
    answers.append(run("jenkins_jobs", jobs=wanted))
    assert [answer["changed"] for answer in answers] == [True, False, False] and sealed.startswith("{AQAA")
    gathered = run("jenkins_jobs", state="gathered")["gathered"]
    assert gathered[0]["parameters"][0]["password"] == sealed and not run("jenkins_jobs", jobs=gathered)["changed"]
    run("jenkins_jobs", jobs=[{"name": "j", "parameters": [{"name": "P", "type": "password"}, {"name": "Q", "type": "string"}]}])
    assert both.decrypt(both.item("j").config.findtext(".//hudson.model.PasswordParameterDefinition/defaultValue")) == "pass-of-p"
    assert "pass-of-p" not in str(answers)
