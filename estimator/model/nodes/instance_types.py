"""How many pods an EKS node takes: its network interfaces decide, not Kubernetes' 110.

    max pods = interfaces * (addresses of each - 1) + 2

The first address of each interface is the node's own; two pods use the host's network. The figures
hold for the VPC CNI without prefix delegation.

Worked: m5.large has 3 interfaces with 10 addresses: 3 * 9 + 2 = 29.

Source: awslabs/amazon-eks-ami, files/eni-max-pods.txt (as of May 2020; AWS does not change the
limits of a type).
"""

from collections.abc import Mapping

_INTERFACES: Mapping[str, tuple[int, int]] = {
    # size: interfaces, addresses of each
    "large": (3, 10),
    "xlarge": (4, 15),
    "2xlarge": (4, 15),
    "4xlarge": (8, 30),
    "8xlarge": (8, 30),
    "12xlarge": (8, 30),
    "16xlarge": (15, 50),
    "24xlarge": (15, 50),
}
_FAMILIES = ("m5", "m5a", "m5d", "m5n", "m5dn", "r5", "r5a", "r5d", "r5n", "r5dn")
"""Families whose sizes all have these figures."""
_OTHERS: Mapping[str, tuple[int, int]] = {
    "c5.large": (3, 10),
    "c5.xlarge": (4, 15),
    "c5.2xlarge": (4, 15),
    "c5.4xlarge": (8, 30),
    "c5.9xlarge": (8, 30),
    "c5.12xlarge": (8, 30),
    "c5.18xlarge": (15, 50),
    "c5.24xlarge": (15, 50),
    "m6g.large": (3, 10),
    "m6g.xlarge": (4, 15),
    "m6g.2xlarge": (4, 15),
    "m6g.4xlarge": (8, 30),
    "m6g.8xlarge": (8, 30),
    "m6g.12xlarge": (8, 30),
    "m6g.16xlarge": (15, 50),
    "t3.small": (3, 4),
    "t3.medium": (3, 6),
    "t3.large": (3, 12),
    "t3.xlarge": (4, 15),
    "t3.2xlarge": (4, 15),
}


def max_pods_of(instance_type: str) -> int | None:
    """Return how many pods a node of this EC2 type takes; None if the type is not known here."""
    family, _, size = instance_type.partition(".")
    found = _INTERFACES.get(size) if family in _FAMILIES else _OTHERS.get(instance_type)
    if found is None:
        return None
    interfaces, addresses = found
    return interfaces * (addresses - 1) + 2
