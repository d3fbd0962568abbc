"""The Locust user of make.py: five requests per second, a fifth of them for a missing page."""

from locust import HttpUser, constant_throughput, task


class Visitor(HttpUser):
    wait_time = constant_throughput(5)

    @task(4)
    def page(self) -> None:
        self.client.get("/page")

    @task(1)
    def missing(self) -> None:
        self.client.get("/missing")
