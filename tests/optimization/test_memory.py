"""The memory that is free, by psutil or as a container leaves it; and that a run takes."""

import dataclasses
import math
from types import SimpleNamespace

import psutil
import pytest

from style_transfer.method.architecture import MIN_SIDE, VGG19
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


COMPACT = dataclasses.replace(VGG19, widths=(16, 32, 64, 128, 128))
PHOTO, PAINTING = (512, 384), (400, 500)


def test_the_features_are_those_of_every_layer_that_is_computed():
    """Of an 8×8 picture, block by block."""
    settings = Settings(content_layers=("block2_conv2",), style_layers=("block3_conv1",))
    expected = 64 * 2 * 64 + 16 * 2 * 128 + 4 * 1 * 256
    assert memory.count_features(64, VGG19, settings) == expected


def test_memory_grows_with_the_pixels_and_the_network():
    def beyond_nothing(size, architecture=VGG19):
        nothing = memory.estimate((0, 0), [], architecture, Settings())
        return memory.estimate(size, [], architecture, Settings()) - nothing

    assert beyond_nothing((512, 512)) == pytest.approx(4 * beyond_nothing((256, 256)))
    assert beyond_nothing((512, 512), COMPACT) < 0.5 * beyond_nothing((512, 512))
    assert memory.estimate((0, 0), [], COMPACT, Settings()) < memory.estimate(
        (0, 0), [], VGG19, Settings()
    )


def test_a_large_style_picture_counts():
    """Beside the photo it costs its pixels only, until the look at it is the peak."""
    none, small, large = (
        memory.estimate(PHOTO, others, VGG19, Settings())
        for others in ([], [PAINTING], [PAINTING, (2048, 2048)])
    )
    assert 0 < small - none < 0.01 * none
    assert large > 2 * none
    both = memory.estimate(PHOTO, [(2048, 2048)] * 2, VGG19, Settings())
    assert 0 < both - large < 0.05 * large  # one after the other


def test_the_history_counts():
    """Each pair is two images in float32."""

    def estimate(**keywords):
        return memory.estimate(PHOTO, [PAINTING], COMPACT, Settings(**keywords))

    image = 4 * 3 * PHOTO[0] * PHOTO[1]
    assert estimate(history=30) - estimate(history=20) == pytest.approx(20 * image)
    assert estimate(optimizer="adam") < estimate(history=3)
    assert estimate(optimizer="adam", history=50) == estimate(optimizer="adam")


@pytest.mark.parametrize("architecture", [VGG19, COMPACT], ids=["whole", "compact"])
@pytest.mark.parametrize("painting", [PAINTING, (3000, 2000)], ids=["small", "large"])
@pytest.mark.parametrize("gigabytes", [1.5, 4, 16])
def test_the_largest_side_fits_and_a_larger_one_does_not(architecture, painting, gigabytes):
    """Its pictures grow and shrink together."""

    def needed(side):
        sizes = [tuple(side / max(PHOTO) * each for each in size) for size in (PHOTO, painting)]
        return memory.estimate(sizes[0], sizes[1:], architecture, Settings())

    side = memory.largest_side(gigabytes * GB, PHOTO, [painting], architecture, Settings())
    assert needed(side) <= gigabytes * GB < needed(1.05 * side)


def test_no_side_fits_into_next_to_nothing():
    libraries = memory.estimate((0, 0), [], COMPACT, Settings())

    def largest(size, free):
        return memory.largest_side(free, size, [PAINTING], COMPACT, Settings())

    assert largest(PHOTO, 0) == largest(PHOTO, libraries) == 0
    assert largest(PHOTO, libraries * 1.001) == 0  # not even the smallest picture
    enough = libraries * 1.1
    assert largest(PHOTO, enough) * PHOTO[1] / PHOTO[0] >= MIN_SIDE
    assert largest((4000, 40), enough) == 0  # its short side would be below the least
