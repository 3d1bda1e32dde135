"""The settings that one pass depends on; in a file of their own, since `--help` needs them, too."""

USED = (
    "size",
    "preserve_color",
    "blend",
    "keep_alpha",
    "bit_depth",
    "profile",
    "transform",
    "strength",
    "style_scale",
    "enlarge",
)

FREE = ("memory",)  # which a pass keeps to, and of which the picture is independent
