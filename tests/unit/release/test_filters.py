"""What a deploy came to, from the results that the role registers."""

import pytest
from ansible_collections.mlops.onprem.plugins.filter.release import release_failures, release_rows, release_table

PACKAGE = {"version": "2", "digest": "sha256:0123456789abcdef"}
GROUPS = {"staging": ["s1"], "production": ["p1"]}
BEFORE = {"active": {"version": "1"}}
STAGED = {"changed": True, "before": BEFORE, "bytes_fetched": 1536, "bytes_missing": 2048, "seconds": 1.25}
GOLDEN = {"total": 3, "passed": 3, "max_absolute": 0.5}
COMMITTED = {"changed": True, "before": BEFORE, "seconds": 0.5}
FAILED = {"failed": True, "msg": "does\nnot work"}
LOST = {"unreachable": True, "msg": "no route"}
BACK = {"changed": True, "active": {"version": "1", "digest": "sha256:11"}, "before": {"active": {"version": "2"}}, "cold": False}


def host(**results):
    return {f"__model_release_{name}": result for name, result in results.items()}


@pytest.mark.parametrize(
    "results, state",
    [
        ({}, "not touched"),
        ({"staged": STAGED}, "staged"),
        ({"staged": STAGED, "golden": GOLDEN, "committed": COMMITTED}, "released"),
        ({"staged": {**STAGED, "changed": False}, "committed": {**COMMITTED, "changed": False}}, "unchanged"),
        ({"staged": FAILED}, "failed at stage"),
        ({"staged": STAGED, "started": LOST}, "failed at start"),
        ({"staged": STAGED, "golden": FAILED, "rolled_back": BACK}, "rolled back to 1"),
        ({"staged": STAGED, "rolled_back": {**BACK, "cold": True}}, "rolled back to 1 (cold)"),
        ({"staged": STAGED, "rolled_back": {**BACK, "active": None}}, "rolled back to none"),
        ({"staged": STAGED, "rolled_back": {**BACK, "changed": False}}, "unchanged, on 1"),
        ({"staged": STAGED, "rolled_back": LOST}, "NOT rolled back"),
        ({"staged": STAGED, "golden": {"skipped": True}}, "staged"),
    ],
)
def test_the_state_of_a_host(results, state):
    assert release_rows(["p1"], {"p1": host(**results)}, GROUPS, PACKAGE)[0]["state"] == state


def test_a_row_adds_up_what_the_steps_said():
    results = host(staged=STAGED, golden=GOLDEN, checked={**GOLDEN, "max_absolute": 0.25}, committed=COMMITTED)
    row = release_rows(["s1"], {"s1": results}, GROUPS, PACKAGE)[0]
    expected = {"environment": "staging", "from": "1", "to": "2", "bytes_fetched": 1536, "seconds": 1.8}
    expected |= {"golden_passed": 6, "golden_total": 6, "max_difference": 0.5}
    assert {key: row[key] for key in expected} == expected and row["failures"] == []


def test_check_mode_says_would_and_what_would_be_fetched():
    row = release_rows(["s1"], {"s1": host(staged=STAGED, committed=COMMITTED)}, GROUPS, PACKAGE, check_mode=True)[0]
    assert (row["state"], row["bytes_fetched"]) == ("would be released", 2048)


def test_a_rollback_shows_where_it_went():
    row = release_rows(["p1"], {"p1": host(rolled_back=BACK, proved=GOLDEN)}, GROUPS)[0]
    assert (row["from"], row["to"], row["digest"], row["golden_total"]) == ("2", "1", "sha256:11", 3)


def test_failures_say_host_step_and_reason_and_who_is_to_blame():
    hostvars = {"s1": host(staged=STAGED), "p1": host(staged=FAILED), "p2": host(staged=STAGED, golden=FAILED), "p3": host(started=LOST)}
    found = release_failures(list(hostvars), hostvars)
    assert [failure["text"] for failure in found] == [
        "p1: stage: does not work", "p2: golden in the slot: does not work", "p3: start: host unreachable, no route",
    ]
    assert [failure["blames"] for failure in found] == [False, True, False]


def test_the_table_is_aligned_and_breaks_nowhere():
    rows = release_rows(["s1", "p1"], {"s1": host(staged=STAGED, golden=GOLDEN, committed=COMMITTED), "p1": {}}, GROUPS, PACKAGE)
    lines = release_table(rows)
    assert lines[0].split() == ["host", "environment", "state", "from", "to", "digest", "fetched", "seconds", "golden", "max-difference"]
    assert lines[1].split() == ["s1", "staging", "released", "1", "2", "01234567", "1.5KiB", "1.8", "3/3", "0.5"]
    assert lines[2].split() == ["p1", "production", "not", "touched", "-", "2", "01234567", "0B", "0.0", "-", "-"]
    assert len({line.index(word) for line, word in zip(lines, ("digest", "0123", "0123"))}) == 1


def test_sizes_are_for_people():
    rows = [{**release_rows(["s1"], {"s1": {}}, GROUPS, PACKAGE)[0], "bytes_fetched": count} for count in (0, 1023, 1024, 5 << 20, 3 << 40)]
    assert [line.split()[7] for line in release_table(rows)[1:]] == ["0B", "1023B", "1.0KiB", "5.0MiB", "3072.0GiB"]
