"""How many threads are taken by default: the variables, and cgroup quotas in trees made for it."""

import os

import pytest

from pylenet import _cgroup, _threads

CORES = 1000  # more than any machine has, so that a quota shows


@pytest.fixture
def fresh(monkeypatch):
    """No number of threads chosen yet, and no variable that says one."""
    monkeypatch.setattr(_threads, "_chosen", None)
    for name in ("PYLENET_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# Variables


@pytest.mark.parametrize(
    ("pylenet", "omp", "expected"),
    [
        ("3", None, 3),
        (None, "4", 4),
        ("3", "4", 3),
        (" 5 ", None, 5),
        ("007", None, 7),
        ("", "4", 4),
        ("  ", "4", 4),
        (None, "4,2", 4),
        (None, " 4 , 2,1", 4),
        ("", "", None),
        (None, None, None),
    ],
)
def test_the_variables_are_read_in_turn(pylenet, omp, expected, fresh):
    for name, value in (("PYLENET_NUM_THREADS", pylenet), ("OMP_NUM_THREADS", omp)):
        if value is not None:
            fresh.setenv(name, value)
    fresh.setattr(_threads, "available_processors", lambda: 17)
    assert _threads.asked_for() == (expected or 17)


@pytest.mark.parametrize("name", ["PYLENET_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(
    "value", ["0", "-1", "two", "2.5", "1e3", "0x2", "+2", "²", "٣", "2 3", "9" * 20]
)
def test_a_variable_that_is_no_number_of_threads_is_named(name, value, fresh):
    fresh.setenv(name, value)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"{name} must be a whole number .*got") as error:
            _threads.asked_for()
        assert repr(value) in str(error.value)


def test_the_number_is_read_once(fresh):
    fresh.setenv("PYLENET_NUM_THREADS", "3")
    assert _threads.asked_for() == 3
    fresh.setenv("PYLENET_NUM_THREADS", "5")
    assert _threads.asked_for() == 3


def test_a_number_that_was_set_comes_first(fresh):
    fresh.setenv("PYLENET_NUM_THREADS", "nonsense")
    _threads.set_num_threads(2)
    assert _threads.asked_for() == 2


# Quotas


@pytest.fixture
def cgroup(tmp_path):
    """Make /proc/self/cgroup and /sys/fs/cgroup of the given texts; the quota read from them."""

    def quota(membership, files):
        (tmp_path / "self").write_text(membership)
        mount = tmp_path / "mount"
        mount.mkdir(exist_ok=True)
        for path, text in files.items():
            file = mount / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return _cgroup.quota(tmp_path / "self", mount)

    return quota


V1 = "12:pids:/a\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/a\n"
CGROUPS = {
    "v2: no limit": ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    "v2: whole": ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
    "v2: rounded up": ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    "v2: less than one": ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
    "v2: other period": ("0::/\n", {"cpu.max": "40000 10000\n"}, 4),
    "v2: own group": ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n"}, 2),
    "v2: group above": (
        "0::/a/b\n",
        {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "500000 100000\n"},
        5,
    ),
    "v2: smallest": (
        "0::/a/b\n",
        {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 100000\n", "cpu.max": "max 1\n"},
        2,
    ),
    "v2: another group's": ("0::/a\n", {"a/x": "", "b/cpu.max": "100000 100000\n"}, None),
    "v2: host's path in a container": (
        "0::/system.slice/docker-abc.scope\n",
        {"cpu.max": "200000 100000\n"},
        2,
    ),
    "v2: path outside": ("0::/../../b\n", {"cpu.max": "200000 100000\n"}, 2),
    "v2: no file": ("0::/\n", {}, None),
    "v2: empty file": ("0::/\n", {"cpu.max": ""}, None),
    "v2: nonsense": ("0::/\n", {"cpu.max": "what is this\n"}, None),
    "v2: no numbers": ("0::/\n", {"cpu.max": "many 100000\n"}, None),
    "v2: period of zero": ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    "v1: no limit": (
        V1,
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "v1: own group": (
        V1,
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000\n",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        3,
    ),
    "v1: group above": (
        V1,
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/docker/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/docker/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "v1: host's path, mounted as cpu": (
        V1,
        {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        4,
    ),
    "v1: half a group": (V1, {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "100000\n"}, None),
    "v1: period of zero": (
        V1,
        {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "0\n"},
        None,
    ),
    "v1: not cpuset": (
        "3:cpuset:/a\n",
        {"cpuset/a/cpu.cfs_quota_us": "1\n", "cpuset/a/cpu.cfs_period_us": "1\n"},
        None,
    ),
    "both": (
        V1 + "0::/a\n",
        {
            "cpu/cpu.cfs_quota_us": "400000\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "a/cpu.max": "300000 100000\n",
        },
        3,
    ),
    "colon in the path": ("0::/a:b\n", {"a:b/cpu.max": "200000 100000\n"}, 2),
    "empty": ("", {"cpu.max": "100000 100000\n"}, None),
}


@pytest.mark.parametrize("name", CGROUPS)
def test_the_quota_is_the_smallest_of_the_group_and_those_above_rounded_up(name, cgroup):
    membership, files, expected = CGROUPS[name]
    assert cgroup(membership, files) == expected


def test_without_cgroups_there_is_no_quota(tmp_path):
    assert _cgroup.quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "expected"), [(None, CORES), (3, 3), (1, 1), (0, 1), (CORES + 1, CORES)]
)
def test_the_default_is_the_affinity_mask_within_the_quota(quota, expected, fresh):
    fresh.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)), raising=False)
    fresh.setattr(_cgroup, "quota", lambda: quota)
    assert _threads.available_processors() == expected
    assert _threads.asked_for() == expected


def test_without_affinity_masks_the_default_is_the_number_of_cores(fresh):
    fresh.delattr(os, "sched_getaffinity", raising=False)
    fresh.setattr(_cgroup, "quota", lambda: None)
    fresh.setattr(os, "cpu_count", lambda: 12)
    assert _threads.available_processors() == 12
    fresh.setattr(os, "cpu_count", lambda: None)
    assert _threads.available_processors() == 1
