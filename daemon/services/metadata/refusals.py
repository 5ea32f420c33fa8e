"""What the store refuses, as answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daemon.errors import ApiError
from daemon.metadata.index import MetadataIndex
from daemon.metadata.models import Assignment
from daemon.metadata.port import AlreadyClaimed, Refused, Unreachable, VersionConflict


@contextmanager
def answered(index: MetadataIndex, *, conflicts: bool = True) -> Iterator[None]:
    """Turn what the store raises into ``ApiError``; a ``VersionConflict`` only if ``conflicts``."""
    try:
        yield
    except VersionConflict as error:
        if not conflicts:
            raise
        raise conflict(error.current.version if error.current else 0) from error
    except AlreadyClaimed as error:
        raise claimed(error.current, index) from error
    except Refused as error:
        raise ApiError(error.code, str(error)) from error
    except Unreachable as error:
        headers = {"Retry-After": "5"}
        raise ApiError("supabase_unreachable", headers=headers) from error


def conflict(version: int) -> ApiError:
    """Return the answer to a change of something that is not as the client knew it."""
    return ApiError("version_conflict", members={"current_version": version})


def claimed(current: Assignment, index: MetadataIndex) -> ApiError:
    """Return the answer to a claim of a chat that somebody has."""
    name = name_of(index, current.workspace, current.assignee)
    return ApiError(
        "already_claimed",
        f"The chat is {name}'s.",
        members={"assignee": current.assignee, "assignee_name": name},
    )


def name_of(index: MetadataIndex, workspace: str, user: str | None) -> str | None:
    """Return what to call a user: the member's name, or the id."""
    member = index.member(workspace, user) if user is not None else None
    return (member.name if member else None) or user
