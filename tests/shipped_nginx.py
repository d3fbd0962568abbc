"""The files of deploy/nginx as one text, for tests that put other ports and paths into them."""

import re
from pathlib import Path

NGINX = Path(__file__).parents[1] / "deploy" / "nginx"
PIECES_OF_A_POD = NGINX.parent / "kubernetes/components/sidecar/nginx"


def whole(text: str) -> str:
    """Return a text in which each `include mirror/FILE;` gives way to that file of deploy/nginx."""
    return re.sub(r"(?m)^ *include mirror/(\S+);$", lambda found: shipped(found[1]), text)


def shipped(*names: str) -> str:
    """Return files of deploy/nginx, one behind the other, with what they include."""
    return "\n".join(whole((NGINX / name).read_text()) for name in names)


def shipped_for_a_pod(folder: Path, name: str = "nginx.conf") -> str:
    """Return nginx.conf of a folder of deploy/kubernetes with the files that its Pod mounts."""
    places = {"/etc/nginx/conf.d": folder, "mirror": PIECES_OF_A_POD}
    return re.sub(
        r"include (/etc/nginx/conf\.d|mirror)/(.*);",
        lambda found: shipped_for_a_pod(places[found[1]], found[2]),
        (folder / name).read_text(),
    )
