import pytest

from estimator.model.nodes.instance_types import max_pods_of


@pytest.mark.parametrize(
    ("instance_type", "pods"),
    # Figures of awslabs/amazon-eks-ami, files/eni-max-pods.txt.
    [
        *(("m5.large", 29), ("m5.2xlarge", 58), ("m5a.4xlarge", 234), ("r5d.16xlarge", 737)),
        *(("c5.9xlarge", 234), ("c5.18xlarge", 737), ("m6g.large", 29), ("m6g.16xlarge", 737)),
        *(("t3.small", 11), ("t3.medium", 17), ("t3.large", 35), ("t3.2xlarge", 58)),
    ],
)
def test_published_number_of_pods(instance_type: str, pods: int) -> None:
    assert max_pods_of(instance_type) == pods


@pytest.mark.parametrize("unknown", ["", "m5", "m9.large", "c5.8xlarge", "t3.16xlarge"])
def test_unknown_type_has_no_number(unknown: str) -> None:
    assert max_pods_of(unknown) is None
