"""The files of deploy/nginx as one text, for tests that put other ports and paths into them."""

import re
from pathlib import Path

NGINX = Path(__file__).parents[1] / "deploy" / "nginx"


def whole(text: str) -> str:
    """Return a text in which each `include mirror/FILE;` gives way to that file of deploy/nginx."""
    return re.sub(r"(?m)^ *include mirror/(\S+);$", lambda found: shipped(found[1]), text)


def shipped(*names: str) -> str:
    """Return files of deploy/nginx, one behind the other, with what they include."""
    return "\n".join(whole((NGINX / name).read_text()) for name in names)
