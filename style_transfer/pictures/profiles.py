"""Color profiles (ICC): whose colors a picture's numbers are, and those numbers in another's."""

import io
import math

from PIL import ImageCms


def find_own(image):
    """Return the bytes of the profile that an opened Pillow image brings, if one can keep it.

    Returns:
        Bytes; None where there is none, or none of RGB.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA"):
        return None
    try:
        space = open_profile(profile).profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # `convert` tells of it
    return profile if space == "RGB" else None


def find_resolution(image):
    """Return the dots per inch, of width and height, that an opened image brings, or None."""
    dots = tuple(map(float, image.info.get("dpi") or ()))  # of TIFF, fractions, which may be 0 / 0
    return dots if dots and all(0 < each < math.inf for each in dots) else None


def open_profile(profile):
    """Return a profile of ImageCms for the bytes of one, or for None, which is sRGB."""
    if profile is None:
        return ImageCms.createProfile("sRGB")
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def convert(image, notices, profile=None):
    """Convert a Pillow image from its embedded ICC profile; one that is junk is ignored.

    Args:
        image: of mode L, LA, RGB, RGBA or CMYK.
        notices: a list, to which is appended what the user should know.
        profile: the bytes of the profile to convert to; None: sRGB.
    """
    own = image.info.get("icc_profile") or None
    if own == profile:
        return image
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colors = image.convert(image.mode.removesuffix("A")) if alpha else image
    try:
        source = open_profile(own)
        is_gray = colors.mode == "L"
        if is_gray and (own is None or source.profile.xcolor_space.strip() == "RGB"):
            colors = colors.convert("RGB")  # gray saved with the profile it had in color
        target = open_profile(profile)
        colors = ImageCms.profileToProfile(colors, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notices.append("its color profile cannot be used; sRGB is assumed")
        return image
    if alpha:
        colors.putalpha(alpha)
    return colors


def describe_result(photo, settings):
    """Return what a result has of a photo and of the settings, as `images.encode_png` takes it.

    Args:
        photo: an `images.Picture`.
        settings: `keep_alpha`, `bit_depth`; by `profile` the photo was read.
    """
    alpha = photo.alpha if settings.keep_alpha else None
    bits = int(settings.bit_depth)
    return {"alpha": alpha, "bits": bits, "profile": photo.profile, "dpi": photo.dpi}
