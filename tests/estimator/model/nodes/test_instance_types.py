import pytest

from estimator.model.nodes.instance_types import max_pods_of


@pytest.mark.parametrize(
    ("instance_type", "pods"),
    # Figures of awslabs/amazon-eks-ami, templates/shared/runtime/eni-max-pods.txt.
    [
        *(("m5.large", 29), ("m5.2xlarge", 58), ("m5a.4xlarge", 234), ("r5d.16xlarge", 737)),
        *(("c5.9xlarge", 234), ("c5.18xlarge", 737), ("m6g.large", 29), ("m6g.16xlarge", 737)),
        *(("t3.small", 11), ("t3.medium", 17), ("t3.large", 35), ("t3.2xlarge", 58)),
        *(("t3a.small", 8), ("t3a.medium", 17), ("t3a.xlarge", 58), ("t4g.small", 11)),
        *(("t4g.large", 35), ("m5n.8xlarge", 234), ("m6i.large", 29), ("m6i.32xlarge", 737)),
        *(("m6a.48xlarge", 737), ("m7i.8xlarge", 234), ("m7i.48xlarge", 737), ("m7g.medium", 8)),
        *(("c6i.24xlarge", 737), ("c6g.12xlarge", 234), ("c7g.16xlarge", 737), ("r6i.xlarge", 58)),
        *(("r6g.2xlarge", 58), ("r7g.4xlarge", 234), ("c7i.large", 29), ("r6a.32xlarge", 737)),
    ],
)
def test_published_number_of_pods(instance_type: str, pods: int) -> None:
    assert max_pods_of(instance_type) == pods


@pytest.mark.parametrize(
    "unknown", ["", "m5", "m9.large", "c5.8xlarge", "m7i.32xlarge", "t3.16xlarge"]
)
def test_unknown_type_has_no_number(unknown: str) -> None:
    assert max_pods_of(unknown) is None
