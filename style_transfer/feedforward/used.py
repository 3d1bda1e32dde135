"""The settings that one pass depends on; in a file of their own, since `--help` needs them, too."""

USED = (
    "size",
    "preserve_color",
    "blend",
    "keep_alpha",
    "transform",
    "strength",
    "style_scale",
    "enlarge",
)
