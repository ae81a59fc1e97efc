"""deploy.yml and rollback.yml with the modules model_release and model_probe on machines with systemd: what a user sees, and what is left behind."""

import json

import pytest

ALL = ("staging1", "production1", "production2", "production3")


def everywhere(value):
    return dict.fromkeys(ALL, value)


def test_two_versions_and_back(fleet):
    fleet.publish("life", "1", "2")
    run = fleet.deploy(model="life", version="1")
    assert run.code == 0, run.output
    assert run.states() == everywhere("released") and fleet.served("life") == everywhere("1")
    assert {host: run.calls(host) for host in ALL} == everywhere(6)
    assert {host: (row["golden_passed"], row["golden_total"]) for host, row in run.hosts.items()} == everywhere((2, 2))

    before = fleet.pids("life")
    again = fleet.deploy(model="life", version="1")
    assert again.code == 0 and again.recap("changed") == everywhere(0) and again.states() == everywhere("unchanged")
    assert {host: row["bytes_fetched"] for host, row in again.hosts.items()} == everywhere(0)
    assert fleet.pids("life") == before, "nothing was restarted"

    assert fleet.deploy(model="life", version="2").states() == everywhere("released") and fleet.served("life") == everywhere("2")
    back = fleet.rollback(model="life")
    assert back.code == 0 and back.states() == everywhere("rolled back to 1") and fleet.served("life") == everywhere("1")
    assert {host: back.calls(host) for host in ALL} == everywhere(2)
    further = fleet.rollback(model="life")
    assert further.code != 0 and "name one with -e version=" in further.output and fleet.served("life") == everywhere("1")

    fleet.docker("restart", fleet.name("production1"))
    fleet.on("production1", "until systemctl is-system-running 2>&1 | grep -Eq 'running|degraded'; do sleep 0.2; done")
    fleet.on("production1", "for _ in $(seq 50); do curl -sf 127.0.0.1:8080/v2/models/life/ready && break; sleep 0.2; done")
    assert fleet.served("life") == everywhere("1"), "a reboot serves the committed version"

    refused = fleet.deploy(model="life", version="2")
    assert refused.code != 0 and "is marked bad on this host (rolled back by hand)" in refused.output
    assert fleet.rollback(model="life", version="2").states() == {**everywhere("rolled back to 2"), "production1": "rolled back to 2 (cold)"}


def test_a_bad_version_stops_at_staging(fleet):
    fleet.publish("bad", "1")
    assert fleet.deploy(model="bad", version="1").code == 0
    fleet.publish("bad", "2", expected=1.0)
    run = fleet.deploy(model="bad", version="2")
    assert run.code != 0 and "staging1: golden in the slot: bad at unix://" in run.output and "expected 1.0, got 2.0" in run.output
    assert run.states() == {**everywhere("not touched"), "staging1": "rolled back to 1"} and fleet.served("bad") == everywhere("1")


def test_a_failure_in_production_takes_every_host_back_and_later_batches_do_not_start(fleet):
    fleet.publish("torn", "1", "2")
    assert fleet.deploy(model="torn", version="1").code == 0
    unit = "/etc/systemd/system/model-server@torn-b.service.d"
    broken = "[Service]\\nExecStart=\\nExecStart=/bin/sh -c 'echo no luck; exit 3'\\n"
    fleet.on("production2", f'mkdir -p {unit}; printf "{broken}" >{unit}/broken.conf')
    run = fleet.deploy(model="torn", version="2")
    assert run.code != 0 and "production2: start: model-server@torn-b.service failed; its last words: " in run.output
    assert "no luck" in run.output
    assert run.states() == everywhere("rolled back to 1") and fleet.served("torn") == everywhere("1")
    assert fleet.on("production3", "journalctl -u model-server@torn-b --output=cat --no-pager") in ("", "-- No entries --")
    fleet.on("production2", f"rm {unit}/broken.conf; systemctl daemon-reload")
    good = fleet.deploy(model="torn", version="2", model_release_force=True)
    assert good.code == 0 and fleet.served("torn") == everywhere("2")


def test_a_lost_host_and_an_empty_store_take_nothing_down(fleet):
    fleet.publish("lost", "1", "2")
    assert fleet.deploy(model="lost", version="1").code == 0
    fleet.docker("pause", fleet.name("production3"))
    run = fleet.deploy(model="lost", version="2")
    fleet.docker("unpause", fleet.name("production3"))
    assert run.code != 0 and "production3: stage: host unreachable" in run.output
    assert run.states() == {**everywhere("rolled back to 1"), "production3": "failed at stage"} and fleet.served("lost") == everywhere("1")

    # All blobs: other models of these tests have files of the same content.
    fleet.on("production2", "mv /srv/store /srv/gone; rm -rf /var/lib/models/lost/releases/2-* /var/lib/models/blobs/sha256/*")
    run = fleet.deploy(model="lost", version="2")
    assert run.code != 0 and "production2: stage: GET file:///srv/store/" in run.output and fleet.served("lost") == everywhere("1")
    fleet.on("production2", "mv /srv/gone /srv/store")
    run = fleet.deploy(model="lost", version="2")
    assert run.code == 0, "what the release is not to blame for does not mark it bad"
    assert fleet.served("lost") == everywhere("2")


def test_check_mode_writes_nothing(fleet):
    fleet.publish("check", "1")
    listing = "find /var/lib/models /etc/haproxy /etc/model-server /etc/systemd/system -printf '%p %i %T@\\n' | sort"
    before = {host: fleet.on(host, listing) for host in ALL}
    run = fleet.deploy("--check", "--diff", model="check", version="1")
    assert run.code == 0 and "bytes to fetch" in run.output and "+MODEL_VERSION=1" in run.output, run.output
    assert {host: fleet.on(host, listing) for host in ALL} == before and fleet.served("check") == everywhere("")


def test_the_idle_slot_cools_down_and_a_rollback_then_starts_it(fleet):
    fleet.publish("cool", "1", "2")
    for version in ("1", "2"):
        run = fleet.deploy("--limit", "staging1", model="cool", version=version, model_release_keep_warm=1)
        assert run.code == 0 and list(run.hosts) == ["staging1"], run.output
    running = "systemctl is-active -q model-server@cool-a"
    fleet.on("staging1", f"for _ in $(seq 100); do {running} || break; sleep 0.2; done; ! {running}")
    assert fleet.rollback("--limit", "staging1", model="cool").states() == {"staging1": "rolled back to 1 (cold)"}


@pytest.mark.parametrize(
    "arguments, variables, message",
    [
        ([], {"model": "life"}, "say which model and version: -e model=NAME -e version=VERSION"),
        ([], {"model": "life", "version": "1", "environments": "test"}, "environments=test is not staging, production"),
        (["--limit", "localhost"], {"model": "life", "version": "1"}, "no host in staging,production"),
        ([], {"model": "life", "version": "none"}, "none"),
        ([], {"model": "nobody", "version": "1"}, "nobody"),
        ([], {"model": "Life", "version": "1"}, "'Life' is not a name"),
    ],
)
def test_a_wrong_command_line_moves_nothing(fleet, arguments, variables, message):
    run = fleet.deploy(*arguments, **variables)
    assert run.code != 0 and message in run.output and not run.hosts, run.output


def test_the_role_alone_goes_back_and_fails(fleet):
    good, = fleet.publish("alone", "1")
    bad, = fleet.publish("alone", "2", expected=1.0)
    play = [{"hosts": "staging1", "gather_facts": False, "roles": ["mlops.onprem.model_release"]}]
    (fleet.folder / "alone.yml").write_text(json.dumps(play))
    names = ("model_release_model", "model_release_version", "model_release_digest")
    run = fleet.playbook(fleet.folder / "alone.yml", **dict(zip(names, ("alone", "1", good))))
    assert run.code == 0 and run.calls("staging1") == 7, run.output  # with the check of its arguments
    run = fleet.playbook(fleet.folder / "alone.yml", **dict(zip(names, ("alone", "2", bad))))
    assert run.code != 0 and "Ask the golden requests in the slot: alone at unix://" in run.output
    assert fleet.served("alone")["staging1"] == "1"
