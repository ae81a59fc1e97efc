# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry of onboarded models on a real folder: what is written when, what is kept, what is refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.onprem.plugins.lookup.registered_models import LookupModule
from ansible_collections.mlops.onprem.plugins.module_utils import _model_secrets
from ansible_collections.mlops.onprem.plugins.module_utils._content import write_atomic
from ansible_collections.mlops.onprem.plugins.module_utils._errors import MlopsError
from ansible_collections.mlops.onprem.plugins.module_utils._model_secrets import secrets_of_models
from cryptography.hazmat.primitives import serialization


def entry(name, **more):
    return {"name": name, "team": "risk", "project": f"risk/{name}", "repository": f"model-{name}", "state": "present", "purge_project": False, **more}


@pytest.fixture
def run(tmp_path):
    def go(*entries, write=True, **params):
        defaults = {"path": str(tmp_path / "registry"), "models": list(entries), "state": "present", "rotate": False, "only": [], "started": [], "removed": []}
        return secrets_of_models(defaults | params, write)
    go.folder = tmp_path / "registry"
    return go


def files(folder):
    return {file.name: (file.stat().st_mode & 0o777, file.stat().st_mtime_ns, file.read_text()) for file in folder.iterdir()}


def test_secrets_are_made_once(run):
    first = run(entry("a"), entry("b"))
    assert first["changed"] and first["made"] == ["a", "b"]
    before = files(run.folder)
    assert set(before) == {"a.json", "b.json", ".site.json", ".gitignore"} and {mode for mode, _time, _text in before.values()} == {0o600}
    assert run.folder.stat().st_mode & 0o777 == 0o700 and before[".gitignore"][2] == "*\n"
    second = run(entry("a"), entry("b"))
    assert not second["changed"] and files(run.folder) == before
    assert [model["secrets"] for model in second["models"]] == [model["secrets"] for model in first["models"]]
    made = [secret for model in first["models"] for secret in model["secrets"].values()] + [first["hook_secret"], first["fingerprint_key"]]
    assert len(set(made)) == len(made) == 10 and min(map(len, made)) >= 32


def test_the_keys_are_a_pair(run):
    made = run(entry("a"))["models"][0]["secrets"]
    private = serialization.load_ssh_private_key(made["deploy_key"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert public.decode() == made["deploy_key_public"] and made["deploy_key_public"].startswith("ssh-ed25519 ")


def test_a_changed_entry_keeps_its_secrets(run):
    before = run(entry("a"))["models"][0]
    after = run(entry("a", approval="production"))
    assert after["changed"] and after["models"][0]["secrets"] == before["secrets"] and after["models"][0]["entry"]["approval"] == "production"


@pytest.mark.parametrize(("field", "value", "old"), [("team", "fraud", "risk"), ("project", "ml/a", "risk/a"), ("repository", "a", "model-a")])
def test_a_model_does_not_move(run, field, value, old):
    run(entry("a"), entry("b"))
    before = files(run.folder)
    with pytest.raises(MlopsError) as refused:
        run(entry("b", approval="production"), entry("new"), entry("a", **{field: value}), rotate=True)
    assert f"models: a: {field} is {value!r}, but it was onboarded with {old!r}" in str(refused.value)
    assert "set that again, or list it with state: absent first and onboard it anew" in str(refused.value)
    assert "removes its repository 'model-a' with all versions, unless you keep it by hand" in str(refused.value)
    assert files(run.folder) == before


def test_all_are_rotated_with_the_hook_or_only_some(run):
    first = run(entry("a"), entry("b"))
    some = run(entry("a"), entry("b"), rotate=True, only=["b"])
    assert some["rotated"] == ["b"] and some["hook_secret"] == first["hook_secret"]
    assert some["models"][0] == first["models"][0]
    assert not set(some["models"][1]["secrets"].values()) & set(first["models"][1]["secrets"].values())
    assert some["models"][1]["retired"] == [first["models"][1]["secrets"]["deploy_key_public"]] and some["models"][1]["rotated"]
    everything = run(entry("a"), entry("b"), rotate=True)
    assert everything["rotated"] == ["a", "b"] and everything["hook_secret"] != first["hook_secret"]
    assert everything["fingerprint_key"] == first["fingerprint_key"] and len(everything["models"][1]["retired"]) == 2
    assert run(state="finished", started=["a", "b"])["changed"]
    assert [model["retired"] for model in run(entry("a"), entry("b"))["models"]] == [[], []]


def test_what_is_off_the_list_is_named_and_kept(run):
    first = run(entry("a"), entry("b"))
    second = run(entry("a"))
    assert not second["changed"] and second["unlisted"] == ["b"] and second["models"] == first["models"]


def test_absent_is_returned_until_it_is_removed(run):
    run(entry("a"), entry("b"))
    gone = run(entry("a"), entry("b", state="absent"))
    assert not gone["changed"] and [model["entry"]["name"] for model in gone["absent"]] == ["b"] and [each["entry"]["name"] for each in gone["models"]] == ["a"]
    assert run(state="finished", removed=["b"])["removed"] == ["b"] and not (run.folder / "b.json").exists()
    again = run(entry("a"), entry("b", state="absent"))
    assert (again["absent"], again["changed"], again["unlisted"]) == ([], False, [])


def test_what_was_onboarded_goes_whatever_the_line_says(run):
    onboarded = run(entry("a"), entry("b", project="ml/b", repository="b"))["models"][1]
    gone = run(entry("a"), entry("b", team="fraud", project="fraud/b", repository="model-x", state="absent", purge_project=True))
    assert gone["absent"] == [{**onboarded, "entry": entry("b", project="ml/b", repository="b", state="absent", purge_project=True)}]
    # Not even where it names what another has, and nobody is given what it has.
    assert run(entry("b", repository="model-a", state="absent"))["absent"] == [{**onboarded, "entry": {**onboarded["entry"], "state": "absent"}}]
    with pytest.raises(MlopsError, match="c: repository is 'b', which model b has, onboarded before; .* let a run with b as state: absent go first"):
        run(entry("c", repository="b"), entry("b", state="absent"))


@pytest.mark.parametrize("left", [[], ["a.json.new"], [".gitignore.new"]])
def test_git_ignores_a_folder_whoever_made_it(run, left):
    run.folder.mkdir(mode=0o700)
    for name in left:
        (run.folder / name).touch(0o600)
    assert run(entry("a"), write=False)["changed"] and sorted(file.name for file in run.folder.iterdir()) == left
    run(entry("a"))
    assert (run.folder / ".gitignore").read_text() == "*\n"
    # One of the user's own stays; one that was lost comes back, though nothing else is to be written.
    (run.folder / ".gitignore").write_text("*.json\n")
    assert not run(entry("a"))["changed"] and (run.folder / ".gitignore").read_text() == "*.json\n"
    (run.folder / ".gitignore").unlink()
    assert run(entry("a"), write=False)["changed"] and not (run.folder / ".gitignore").exists()
    assert run(entry("a"))["changed"] and (run.folder / ".gitignore").read_text() == "*\n" and not run(entry("a"))["changed"]


def test_git_ignores_the_folder_before_a_secret_is_in_it(run, monkeypatch):
    def killed(path, *rest):
        if str(path).endswith(".json"):
            raise KeyboardInterrupt
        return write_atomic(path, *rest)
    monkeypatch.setattr(_model_secrets, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        run(entry("a"))
    assert [file.name for file in run.folder.iterdir()] == [".gitignore"]


def test_check_mode_writes_nothing_and_plans_with_secrets(run):
    planned = run(entry("a"), write=False)
    assert planned["changed"] and planned["models"][0]["secrets"]["publisher_password"] and not run.folder.exists()
    run(entry("a"))
    before = files(run.folder)
    assert run(entry("a"), write=False, rotate=True)["rotated"] == ["a"] and run(write=False, state="finished", removed=["a"])["removed"] == ["a"]
    assert files(run.folder) == before


@pytest.mark.parametrize("which", ["", "a.json", ".site.json"])
def test_what_others_may_read_is_refused(run, which):
    run(entry("a"))
    (run.folder / which).chmod(0o750 if not which else 0o640)
    with pytest.raises(MlopsError, match="others than its owner may read secrets in it: chmod go="):
        run(entry("a"))


def test_a_torn_file_is_refused_and_a_killed_write_is_no_file(run):
    run(entry("a"))
    (run.folder / "a.json.new").write_text("{")
    (run.folder / "a.json.new").chmod(0o600)
    assert run(entry("a", approval="production"))["changed"] and not (run.folder / "a.json.new").exists()
    (run.folder / "a.json").write_text("{")
    with pytest.raises(MlopsError, match="is not JSON; take it from a backup"):
        run(entry("a"))


def test_a_new_model_cannot_take_what_one_off_the_list_has(run):
    run(entry("a"))
    before = files(run.folder)
    with pytest.raises(MlopsError, match="b: repository is 'model-a', which model a has, onboarded before; give it another"):
        run(entry("b", repository="model-a"))
    with pytest.raises(MlopsError, match="only: 'c' is no model"):
        run(entry("a"), rotate=True, only=["c"])
    assert files(run.folder) == before


def test_the_lookup_gives_entries_and_no_secrets(run):
    run(entry("b"), entry("a"))
    found = LookupModule().run([str(run.folder)])
    assert found == [[entry("a"), entry("b")]] and LookupModule().run([str(run.folder / "none")]) == [[]]
    assert "password" not in json.dumps(found)
