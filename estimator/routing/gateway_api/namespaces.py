"""The namespaces whose routes a listener admits: `allowedRoutes.namespaces`.

A selector asks for labels of a Namespace object, which the files may not hold. Kubernetes itself
sets one label, so a selector that asks for nothing else is decided without the object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from estimator.routing.conditions import NO, UNKNOWN, YES, Truth

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server sets on every Namespace."""

Labels = Mapping[str, str]


class Operator(StrEnum):
    """An operator of a label selector, as Kubernetes names it."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a selector asks of one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        if self.operator is Operator.EXISTS:
            return value is not None
        if self.operator is Operator.DOES_NOT_EXIST:
            return value is None
        return (value in self.values) is (self.operator is Operator.IN)


class From(StrEnum):
    """Where the routes of a listener may come from."""

    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The namespaces that a listener admits."""

    source: From = From.SAME
    requirements: tuple[Requirement, ...] = ()
    """What a selector asks for; without any, it admits every namespace."""

    def admit(self, namespace: str, own: str, labels: Mapping[str, Labels]) -> Truth:
        """Answer for a route's namespace.

        `own` is the namespace of the Gateway, and `labels` holds those of the Namespace objects
        that are known. The answer is unknown where it depends on another one's labels.
        """
        if self.source is From.ALL:
            return YES
        if self.source is From.SAME:
            return YES if namespace == own else NO
        known = {NAME_LABEL: namespace, **labels.get(namespace, {})}
        is_complete = namespace in labels
        answer = YES
        for requirement in self.requirements:
            if not is_complete and requirement.key != NAME_LABEL:
                answer = UNKNOWN
            elif not requirement.holds(known):
                return NO
        return answer
