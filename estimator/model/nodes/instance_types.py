"""How many pods an EKS node takes: its network interfaces decide, not Kubernetes' 110.

    max pods = interfaces * (addresses of each - 1) + 2

The first address of each interface is the node's own; two pods use the host's network. The figures
hold for the VPC CNI without prefix delegation.

Worked: m5.large has 3 interfaces with 10 addresses: 3 * 9 + 2 = 29.

Source: awslabs/amazon-eks-ami, templates/shared/runtime/eni-max-pods.txt, made from the EC2 API
(AWS does not change the limits of a type).
"""

from collections.abc import Mapping

_INTERFACES: Mapping[str, tuple[int, int]] = {
    # size: interfaces, addresses of each
    "medium": (2, 4),
    "large": (3, 10),
    "xlarge": (4, 15),
    "2xlarge": (4, 15),
    "4xlarge": (8, 30),
    "8xlarge": (8, 30),
    "9xlarge": (8, 30),
    "12xlarge": (8, 30),
    "16xlarge": (15, 50),
    "18xlarge": (15, 50),
    "24xlarge": (15, 50),
    "32xlarge": (15, 50),
    "48xlarge": (15, 50),
}
_SMALL = "large xlarge 2xlarge 4xlarge"
_FAMILIES: Mapping[str, str] = {
    # families whose sizes have the figures above: their sizes
    "m5 m5a m5d m5n m5dn r5 r5a r5d r5n r5dn": f"{_SMALL} 8xlarge 12xlarge 16xlarge 24xlarge",
    "c5": f"{_SMALL} 9xlarge 12xlarge 18xlarge 24xlarge",
    "c6i m6i r6i": f"{_SMALL} 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c6a m6a r6a": f"{_SMALL} 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge",
    "c7i m7i r7i": f"{_SMALL} 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "c6g m6g r6g c7g m7g r7g": f"medium {_SMALL} 8xlarge 12xlarge 16xlarge",
    "t3 t3a t4g": "xlarge 2xlarge",
}
_OTHERS: Mapping[str, tuple[int, int]] = {
    **{f"{family}.small": (3, 4) for family in ("t3", "t4g")},
    "t3a.small": (2, 4),
    **{f"{family}.medium": (3, 6) for family in ("t3", "t3a", "t4g")},
    **{f"{family}.large": (3, 12) for family in ("t3", "t3a", "t4g")},
}
_KNOWN: Mapping[str, tuple[int, int]] = {
    **_OTHERS,
    **{
        f"{family}.{size}": _INTERFACES[size]
        for families, sizes in _FAMILIES.items()
        for family in families.split()
        for size in sizes.split()
    },
}


def max_pods_of(instance_type: str) -> int | None:
    """Return how many pods a node of this EC2 type takes; None if the type is not known here."""
    if instance_type not in _KNOWN:
        return None
    interfaces, addresses = _KNOWN[instance_type]
    return interfaces * (addresses - 1) + 2
