"""What computes: a GPU only if it works, and bfloat16 only where the processor knows it."""

from pathlib import Path

import pytest
import tensorflow as tf

from style_transfer.optimization import device
from style_transfer.settings import Settings

GPU = "NVIDIA Test 9000"
FLAGS = "processor : 0\nflags : fpu sse avx2 avx512f{}\nbugs : none\n"


@pytest.fixture(autouse=True)
def asked_anew():
    """The device is found once a process: for each test anew, and for none after it."""
    device.find_device.cache_clear()
    yield
    device.find_device.cache_clear()


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU; a function that says whether, or with which error, it computes."""
    physical = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    details = {"device_name": GPU}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [physical])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)

    def set_up(error=None):
        def try_gpu():
            if error:
                raise error

        monkeypatch.setattr(device, "try_gpu", try_gpu)

    return set_up


@pytest.fixture
def processor(monkeypatch):
    """A function that says what stands in /proc/cpuinfo; None: there is no such file."""

    def set_up(text):
        info, read, exists = Path("/proc/cpuinfo"), Path.read_text, Path.exists

        def read_text(path, *arguments, **keywords):
            return text if path == info else read(path, *arguments, **keywords)

        def is_there(path, **keywords):
            return text is not None if path == info else exists(path, **keywords)

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(Path, "exists", is_there)

    return set_up


def test_without_a_gpu_the_processor_computes(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    found = device.find_device()
    assert found.name.startswith("CPU, ") and not found.is_gpu and not found.notice


def test_a_gpu_that_fails_is_named_and_left_alone(gpu):
    gpu(tf.errors.InternalError(None, None, "CUDA_ERROR_INVALID_PTX\nand a long trace"))
    found = device.find_device()
    assert found.name.startswith("CPU, ") and not found.is_gpu
    assert found.notice.startswith(f"{GPU} cannot compute (CUDA_ERROR_INVALID_PTX);")
    assert "\n" not in found.notice
    with found.scope():
        assert "CPU:0" in tf.ones(1).device


def test_a_gpu_is_tried_once(gpu, monkeypatch):
    gpu()
    tries = []
    monkeypatch.setattr(device, "try_gpu", lambda: tries.append(1))
    assert device.find_device() is device.find_device()
    assert tries == [1]


def test_a_gpu_that_works_computes_in_float32(gpu, processor):
    """Even beside a processor that knows bfloat16."""
    gpu()
    processor(FLAGS.format(" avx512_bf16"))
    assert device.find_device() == device.Device(GPU, is_gpu=True)
    assert device.choose_precision(Settings()) == "float32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FLAGS.format(" avx512_bf16"), "bfloat16"),
        (FLAGS.format(" amx_bf16 amx_tile"), "bfloat16"),
        (FLAGS.format(""), "float32"),
        (FLAGS.format(" no_avx512_bf16_here"), "float32"),
        ("", "float32"),
        (None, "float32"),
    ],
)
def test_the_processor_decides_on_bfloat16(monkeypatch, processor, text, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    processor(text)
    assert device.choose_precision(Settings()) == expected


def test_beside_a_gpu_that_fails_the_processor_decides(gpu, processor):
    gpu(tf.errors.InternalError(None, None, "no kernel"))
    processor(FLAGS.format(" avx512_bf16"))
    assert device.choose_precision(Settings()) == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_what_the_user_asks_for_is_done(processor, precision):
    processor(FLAGS.format(""))
    assert device.choose_precision(Settings(precision=precision)) == precision


def test_the_trial_asks_for_the_gpu(monkeypatch):
    """Without one TensorFlow places it elsewhere: what it computes is sound in any case."""
    asked, real = [], tf.device
    monkeypatch.setattr(tf, "device", lambda name: asked.append(name) or real(name))
    device.try_gpu()
    assert asked == ["/GPU:0"]
