"""Films in and out; the films are made by PyAV and Pillow, and read back by PyAV."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from style_transfer import files
from style_transfer.pictures import encoding, films, images

SIZE = (64, 48)


def picture(index, size=SIZE):
    """A picture that tells its number: its gray, and a white corner at the top left."""
    pixels = np.full((size[1], size[0], 3), 40 + 20 * index, np.uint8)
    pixels[: size[1] // 3, : size[0] // 4] = 255
    return pixels


def gray(image):
    """The number of such a picture."""
    return round((np.asarray(image)[-8:, -8:].mean() - 40) / 20)


def save_film(path, times=range(6), base=Fraction(1, 25), *, sound=None, rotation=0, **more):
    """Write a film with PyAV alone."""
    with av.open(str(path), "w", **more) as container:
        stream = container.add_stream("libx264", options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        tone = container.add_stream(sound, rate=44100) if sound else None
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone:
            add_tone(container, tone)
    return path


def add_tone(container, stream, seconds=0.5):
    """Half a second of a tone."""
    wave = np.sin(np.arange(int(44100 * seconds)) / 20).astype(np.float32)
    resampler = av.AudioResampler(stream.format, stream.layout, 44100, frame_size=1024)
    frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
    frame.sample_rate = 44100
    for each in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(stream.encode(each))


def packets(path, kind):
    """The bytes and times in seconds of a film's packets."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (bytes(each), each.pts * each.time_base)
            for each in container.demux(stream)
            if each.size
        ]


def test_frames_and_their_uneven_times_are_read_and_written_exactly(tmp_path):
    times = (0, 17, 51, 60, 133, 300)
    film = films.load(save_film(tmp_path / "clip.mkv", times, Fraction(1, 1000)))
    found = list(film.read(film.times))
    assert [gray(image) for _, image in found] == list(range(6))
    assert film.size == SIZE
    assert [time * film.time_base for time in film.times] == [Fraction(t, 1000) for t in times]
    pixels = (np.asarray(image) for _, image in found)
    encoding.write(tmp_path / "out.mp4", pixels, film.times, film.time_base)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.color_primaries, stream.codec_context.colorspace) == (1, 1)
        shown = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert shown == [Fraction(t, 1000) for t in times]


@pytest.mark.parametrize("wanted", [(0, 3), (5,), (2, 3, 4)])
def test_any_frames_can_be_read(tmp_path, wanted):
    film = films.load(save_film(tmp_path / "clip.mp4", range(40)[:6]))
    chosen = [film.times[index] for index in wanted]
    assert [gray(image) for _, image in film.read(chosen)] == list(wanted)


def test_start_duration_and_every_choose_frames(tmp_path):
    film = films.load(save_film(tmp_path / "clip.mp4", range(0, 60, 10), Fraction(1, 100)))
    at = {time: index for index, time in enumerate(film.times)}
    chosen = film.select(start=0.1, duration=0.4, every=2)
    assert [at[each] for each in chosen] == [1, 3]
    with pytest.raises(files.FileError, match="0.50 s long; choose an earlier --start"):
        film.select(start=3)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_film_is_turned_upright(tmp_path, rotation):
    film = films.load(save_film(tmp_path / "clip.mp4", rotation=rotation))
    _, image = next(film.read(film.times))
    expected = np.rot90(picture(0), rotation // 90)
    assert image.size == film.size == expected.shape[1::-1]
    assert np.abs(np.asarray(image, int) - expected).mean() < 4


@pytest.mark.parametrize(("codec", "suffix"), [("aac", ".mp4"), ("pcm_s16le", ".mkv")])
def test_the_sound_is_copied(tmp_path, codec, suffix):
    source = save_film(tmp_path / "clip.mkv", sound=codec)
    film = films.load(source)
    assert film.has_sound
    sound = encoding.Sound(str(source), Fraction(0))
    assert encoding.choose_suffix(sound) == suffix
    target = tmp_path / f"out{suffix}"
    pixels = (np.asarray(image) for _, image in film.read(film.times))
    encoding.write(target, pixels, film.times, film.time_base, sound=sound)
    (found, wanted) = (packets(path, "audio") for path in (target, source))
    assert [data for data, _ in found] == [data for data, _ in wanted]
    assert [abs(a - b) < 0.002 for (_, a), (_, b) in zip(found, wanted)]


def test_a_part_of_the_sound_begins_with_the_pictures(tmp_path):
    source = save_film(tmp_path / "clip.mkv", sound="pcm_s16le")
    sound = encoding.Sound(str(source), Fraction(1, 5), 0.2, 0.4)
    pixels = [picture(index) for index in range(3)]
    encoding.write(tmp_path / "out.mkv", iter(pixels), range(3), Fraction(1, 25), sound=sound)
    times = [time for _, time in packets(tmp_path / "out.mkv", "audio")]
    assert 0 <= times[0] < 0.03 and 0.15 < times[-1] < 0.2


def test_odd_sides_are_made_even(tmp_path):
    pixels = [picture(index, (33, 47)) for index in range(2)]
    encoding.write(tmp_path / "out.mp4", iter(pixels), range(2), Fraction(1, 25))
    assert films.load(tmp_path / "out.mp4").size == (34, 48)


def test_the_same_pictures_become_the_same_bytes(tmp_path):
    generator = np.random.default_rng(0)
    pictures = list(generator.integers(0, 256, (12, 90, 160, 3)).astype(np.uint8))
    found = set()
    for _ in range(6):
        encoding.write(tmp_path / "film.mp4", iter(pictures), range(12), Fraction(1, 25))
        found.add((tmp_path / "film.mp4").read_bytes())
    assert len(found) == 1


def test_a_gif_is_a_film_with_its_own_times(tmp_path):
    frames = [Image.fromarray(picture(index)) for index in range(4)]
    frames[0].save(
        tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[40, 100, 70, 40]
    )
    film = films.load(tmp_path / "a.gif")
    assert (film.times, film.time_base) == ((0, 40, 140, 210), Fraction(1, 1000))
    assert [gray(image) for _, image in film.read(film.times[1:3])] == [1, 2]


def test_a_folder_is_a_film_of_one_size(tmp_path):
    for index in range(3):
        Image.fromarray(picture(index)).save(tmp_path / f"{index}.png")
    film = films.load(tmp_path, rate=10)
    assert film.time_base == Fraction(1, 10)
    assert [gray(image) for _, image in film.read(film.times[1:])] == [1, 2]
    Image.fromarray(picture(3, (60, 40))).save(tmp_path / "3.png")
    film = films.load(tmp_path)
    with pytest.raises(files.FileError, match="3.png: has another size .*; make it 64×48"):
        list(film.read(film.times))


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def pixels():
        yield picture(0)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        encoding.write(tmp_path / "out.mp4", pixels(), range(9), Fraction(1, 25))
    assert not list(tmp_path.iterdir())


def refuse(path, words):
    with pytest.raises(files.FileError, match=words) as caught:
        film = films.load(path)
        list(film.read(film.times))
    assert "\n" not in str(caught.value)


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no film " * 99)
    refuse(tmp_path / "text.mp4", "is no film that can be read")
    (tmp_path / "empty.mp4").write_bytes(b"")
    refuse(tmp_path / "empty.mp4", "is empty")
    refuse(tmp_path / "gone.mp4", "no such file")
    Image.fromarray(picture(0)).save(tmp_path / "photo.png")
    refuse(tmp_path / "photo.png", "is a picture, not a film; leave out `video`")
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        add_tone(container, container.add_stream("aac", rate=44100))
    refuse(tmp_path / "song.m4a", "no moving pictures")


def test_a_broken_film_is_refused(tmp_path):
    whole = save_film(tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])  # its index was at the end
    refuse(tmp_path / "half.mp4", "is cut off, or damaged")
    noise = np.random.default_rng(0).integers(0, 256, (120, *SIZE[::-1], 3), dtype=np.uint8)
    encoding.write(tmp_path / "noise.mkv", iter(noise), range(120), Fraction(1, 25))
    whole = (tmp_path / "noise.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    film = films.load(tmp_path / "half.mkv")
    assert 30 < len(film.times) < 90  # what there is, is a film


def test_an_encrypted_film_is_refused(tmp_path):
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "0123456789abcdef0123456789abcdef",
        "encryption_kid": "00000000000000000000000000000000",
    }
    save_film(tmp_path / "locked.mp4", options=options)
    refuse(tmp_path / "locked.mp4", "encrypted|damaged")


def test_without_the_packages_one_line_says_how_to_get_them(tmp_path, monkeypatch):
    path = save_film(tmp_path / "clip.mp4")
    monkeypatch.setattr(films.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="need PyAV and OpenCV; install them with: python -m pip"):
        films.load(path)


def test_a_film_given_as_a_picture_is_named_as_one(tmp_path):
    path = save_film(tmp_path / "clip.mp4")
    with pytest.raises(files.FileError, match="is a film.*python main.py video"):
        images.load(path)
    save_film(tmp_path / "clip.mkv")
    with pytest.raises(files.FileError, match="is a film.*python main.py video"):
        images.load(tmp_path / "clip.mkv")
