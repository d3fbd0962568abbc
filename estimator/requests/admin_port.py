"""A document of a sidecar, from its admin port or from a file that holds what it answered."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.http_session import AnswerTooLargeError, ApiSession, check_url
from estimator.series.limits import ANSWER_TIMEOUT_S
from mirror.formats import bounded_files
from mirror.formats.access_log.remote import is_url
from mirror.formats.bounded_files import BoundedFileError, Limit
from mirror.formats.json_documents import error_of


@dataclass(frozen=True, slots=True)
class Page:
    """A document that the admin port serves, and the option that names it."""

    path: str
    option: str
    limit: Limit
    advice: str
    """What is expected there, as a sentence without its full stop."""
    if_too_large: str = ""
    """What makes it smaller, likewise."""


def read_page(name: str, page: Page) -> bytes:
    """Return the document in a file, or of the sidecar at a URL.

    A URL without a path is that of an admin port. Raises InputError, and Refused for a sidecar that
    gives none.
    """
    if is_url(name):
        return asyncio.run(_fetched(name, page))
    try:
        return bounded_files.read_bytes(Path(name), page.limit)
    except BoundedFileError as error:
        raise InputError([Problem(name, error.reason)]) from error


async def _fetched(url: str, page: Page) -> bytes:
    check_url(url, page.option, None, "the admin port asks for none")
    base = url.rstrip("/").removesuffix(page.path)
    try:
        async with ApiSession(base, {}) as session:
            answer = await session.request("GET", page.path)
    except AnswerTooLargeError as error:
        rule = f"{error}. {page.if_too_large}" if page.if_too_large else str(error)
        raise InputError([Problem(url, rule)]) from error
    except TimeoutError as error:
        raise _refused(url, f"gave no answer within {ANSWER_TIMEOUT_S:g} s", page) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        words = f"cannot be reached: {error or type(error).__name__}"
        raise _refused(url, words, page) from error
    if answer.status != 200:
        words = f"answered {answer.status} at {page.path}{error_of(answer.body)}"
        raise _refused(url, words, page)
    return answer.body


def _refused(url: str, problem: str, page: Page) -> Refused:
    return Refused([Refusal(url, problem, page.advice)])
