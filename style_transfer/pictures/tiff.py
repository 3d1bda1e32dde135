"""TIFF out (Adobe, TIFF revision 6), by tifffile: 8 or 16 bits a channel, deflated."""

import io

from style_transfer.pictures import deep

#: Where a text goes: the number of the tag, and what tifffile calls it.
TAGS = {"Software": (305, "software"), "Settings": (270, "description")}
SCALE = {8: 1, 16: 257}  # from an opacity of 8 bits


def encode(tensor, *, texts=None, alpha=None, bits=8, profile=None, dpi=None):
    """Return an image as the bytes of a TIFF.

    Args:
        tensor, alpha, bits, profile, dpi: see `images.encode_png`.
        texts: by the names of `TAGS`, in ASCII.
    """
    import numpy as np
    import tifffile  # some 0.1 s

    samples, options = deep.to_samples(tensor, bits), {}
    if alpha:
        opacity = np.asarray(deep.fit_alpha(alpha, tensor), samples.dtype) * SCALE[bits]
        samples = np.dstack([samples, opacity.astype(samples.dtype)])
        options["extrasamples"] = ["unassalpha"]
    if dpi:
        options |= {"resolution": tuple(map(float, dpi)), "resolutionunit": "inch"}
    for key, text in (texts or {}).items():
        options[TAGS[key][1]] = text
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        samples,
        photometric="rgb",
        compression="zlib",
        predictor=True,
        iccprofile=profile,
        metadata=None,  # none of tifffile's own
        **options,
    )
    return buffer.getvalue()
