"""The memory that is free, by psutil or as a container leaves it; and that a run takes."""

import math
from types import SimpleNamespace

import psutil
import pytest

from style_transfer.method.architecture import VGG19
from style_transfer.optimization import memory
from style_transfer.settings import Settings

GB = 10**9
UNLIMITED_V1 = 9223372036854771712  # what Linux writes for no limit


@pytest.fixture
def machine(monkeypatch):
    """A machine of which 16 GB are free."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=16 * GB))


def put(folder, **texts):
    """Write files of a control group, `memory_max` as `memory.max`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("memory_", "memory.", 1)).write_text(f"{text}\n")


def put_own(root, *lines):
    """Say which control groups the process is in."""
    put(root / "proc/self")
    (root / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in lines))


def test_without_control_groups_it_is_what_psutil_says(tmp_path):
    """Others take and free memory meanwhile: to a quarter of the whole."""
    whole = psutil.virtual_memory()
    assert memory.available(tmp_path) == pytest.approx(whole.available, abs=whole.total / 4)
    assert isinstance(memory.available(tmp_path), float)


def test_here_it_is_no_more_than_the_machine_has():
    assert 0 <= memory.available() <= psutil.virtual_memory().total


def test_what_this_process_has():
    before = memory.resident()
    ballast = bytearray(b"x" * 50_000_000)
    assert before + len(ballast) * 0.9 < memory.resident() < psutil.virtual_memory().total


def test_a_container_of_version_2(tmp_path, machine):
    put_own(tmp_path, "0::/")
    put(
        tmp_path / "sys/fs/cgroup",
        memory_max=4 * GB,
        memory_current=3 * GB,
        memory_stat=f"anon {2 * GB}\nfile {GB}\ninactive_file {GB // 2}\nactive_file {GB // 2}",
    )
    assert memory.available(tmp_path) == 1.5 * GB


def test_a_container_of_version_1(tmp_path, machine):
    put_own(tmp_path, "5:cpu,cpuacct:/", "4:hugetlb,memory:/", "1:name=systemd:/")
    put(
        tmp_path / "sys/fs/cgroup/memory",
        memory_limit_in_bytes=4 * GB,
        memory_usage_in_bytes=3 * GB,
        memory_stat=f"inactive_file 0\ntotal_inactive_file {GB // 2}",
    )
    assert memory.available(tmp_path) == 1.5 * GB


@pytest.mark.parametrize("tightest", ["", "slice", "slice/job"])
def test_the_tightest_of_the_groups_above_counts(tmp_path, machine, tightest):
    put_own(tmp_path, "0::/slice/job")
    for path in ("slice/job", "slice", ""):
        limit = GB if path == tightest else 9 * GB
        put(tmp_path / "sys/fs/cgroup" / path, memory_max=limit, memory_current=GB // 4)
    assert memory.available(tmp_path) == 0.75 * GB


def test_groups_beside_ones_own_do_not_count(tmp_path, machine):
    put_own(tmp_path, "0::/slice/job")
    top = tmp_path / "sys/fs/cgroup"
    put(top / "slice/job", memory_max=9 * GB, memory_current=0)
    put(top / "slice/other", memory_max=GB, memory_current=0)
    put(top / "slice/job/below", memory_max=GB, memory_current=0)
    assert memory.available(tmp_path) == 9 * GB


@pytest.mark.parametrize("own", ["0::/docker/1a2b", "0::/../../docker/1a2b"])
def test_a_container_that_is_told_the_path_on_the_host(tmp_path, machine, own):
    put_own(tmp_path, own)
    put(tmp_path / "sys/fs/cgroup", memory_max=4 * GB, memory_current=GB)
    assert memory.available(tmp_path) == 3 * GB


def test_both_versions_side_by_side(tmp_path, machine):
    put_own(tmp_path, "4:memory:/job", "0::/job")
    top = tmp_path / "sys/fs/cgroup"
    put(top / "memory/job", memory_limit_in_bytes=5 * GB, memory_usage_in_bytes=GB)
    put(top / "unified/job", memory_max="max", memory_current=GB)
    assert memory.available(tmp_path) == 4 * GB


@pytest.mark.parametrize(
    "texts",
    [
        {"memory_max": "max", "memory_current": 30 * GB},
        {"memory_max": 99 * GB, "memory_current": GB},
        {"memory_max": "junk"},
        {"memory_max": ""},
        {},
    ],
)
def test_where_the_group_sets_no_limit_the_machine_does(tmp_path, machine, texts):
    put_own(tmp_path, "0::/", "junk", "")
    put(tmp_path / "sys/fs/cgroup", **texts)
    assert memory.available(tmp_path) == 16 * GB


def test_no_limit_of_version_1(tmp_path, machine):
    put_own(tmp_path, "4:memory:/")
    folder = tmp_path / "sys/fs/cgroup/memory"
    put(folder, memory_limit_in_bytes=UNLIMITED_V1, memory_usage_in_bytes=GB)
    assert memory.available(tmp_path) == 16 * GB


def test_a_group_above_its_limit_leaves_nothing(tmp_path, machine):
    put_own(tmp_path, "0::/")
    put(tmp_path / "sys/fs/cgroup", memory_max=GB, memory_current=2 * GB)
    assert memory.available(tmp_path) == 0


def test_infinity_only_if_nothing_says_so(tmp_path, monkeypatch):
    def fail():
        raise FileNotFoundError("/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", fail)
    assert memory.available(tmp_path) == math.inf
    put_own(tmp_path, "0::/")
    put(tmp_path / "sys/fs/cgroup", memory_max=GB, memory_current=0)
    assert memory.available(tmp_path) == GB


def test_the_features_are_those_of_every_layer_that_is_computed():
    """Of an 8×8 picture, block by block."""
    settings = Settings(content_layers=("block2_conv2",), style_layers=("block3_conv1",))
    expected = 64 * 2 * 64 + 16 * 2 * 128 + 4 * 1 * 256
    assert memory.count_features(64, VGG19, settings) == expected
