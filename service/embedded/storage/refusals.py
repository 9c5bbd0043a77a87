"""What the storage API says when it says no: status, error, code and message of each refusal."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout

from service.errors import MusicServiceError

_TRUE_HTTP_STATUSES = (416, 429, 500, 501)


class RefusedError(MusicServiceError):
    """A request that was refused.

    Args:
        status: the true status, sent as the string `statusCode` in the body.
        error: the body's `error`, which storage3 calls `code`.
        reason: the body's `code`.
        message: the body's `message`.
    """

    code = "storage_refused"

    def __init__(self, status: int, error: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.reason = reason

    @property
    def http_status(self) -> int:
        """The status of the answer itself: 400 for nearly everything."""
        return self.status if self.status in _TRUE_HTTP_STATUSES else 400

    @property
    def body(self) -> dict[str, str]:
        """The answer's JSON."""
        return {
            "statusCode": str(self.status),
            "error": self.error,
            "message": str(self),
            "code": self.reason,
        }


def invalid_request(message: str) -> RefusedError:
    """A body, header or parameter of the wrong shape."""
    return RefusedError(400, "Error", "InvalidRequest", message)


def invalid_bucket_name() -> RefusedError:
    """A bucket's name with other characters, or too long, or empty."""
    return RefusedError(400, "Invalid Input", "InvalidBucketName", "Bucket name invalid")


def invalid_key(key: str) -> RefusedError:
    """An object's key with a character that is not allowed."""
    return RefusedError(400, "InvalidKey", "InvalidKey", f"Invalid key: {key}")


def invalid_mime_type(mime_type: str) -> RefusedError:
    """A type that the bucket does not take, or that is none."""
    message = f"mime type {mime_type} is not supported"
    return RefusedError(415, "invalid_mime_type", "InvalidMimeType", message)


def too_large() -> RefusedError:
    """More bytes than the bucket or the project allows."""
    message = "The object exceeded the maximum allowed size"
    return RefusedError(413, "Payload too large", "EntityTooLarge", message)


def no_such_bucket() -> RefusedError:
    """No bucket of that name that the caller can see."""
    return RefusedError(404, "Bucket not found", "NoSuchBucket", "Bucket not found")


def no_such_key() -> RefusedError:
    """No object of that key that the caller can see."""
    return RefusedError(404, "not_found", "NoSuchKey", "Object not found")


def duplicate(reason: str) -> RefusedError:
    """Something of that name exists; `reason` says what kind of thing."""
    return RefusedError(409, "Duplicate", reason, "The resource already exists")


def bucket_not_empty() -> RefusedError:
    """A bucket with objects cannot be deleted."""
    message = "The bucket you tried to delete is not empty"
    return RefusedError(409, "ResourceNotEmpty", "ResourceNotEmpty", message)


def access_denied(message: str = "new row violates row-level security policy") -> RefusedError:
    """The token is no good, or a policy forbids it."""
    return RefusedError(403, "Unauthorized", "AccessDenied", message)


def invalid_token(message: str) -> RefusedError:
    """The token of a signed URL is no good."""
    return RefusedError(400, "InvalidJWT", "InvalidJWT", message)


def invalid_signature() -> RefusedError:
    """The token of a signed URL is for something else."""
    return RefusedError(400, "InvalidSignature", "InvalidSignature", "Invalid signature")


def invalid_range() -> RefusedError:
    """A Range header that names no bytes of the object."""
    return RefusedError(416, "invalid_range", "InvalidRange", "invalid range provided")


def internal() -> RefusedError:
    """A failure that the caller can do nothing about."""
    return RefusedError(500, "Internal", "InternalError", "Internal Server Error")


def not_served(what: str) -> RefusedError:
    """A part of the platform that the embedded stack leaves out."""
    message = f"The embedded stack does not serve {what}; use a Supabase project for it."
    return RefusedError(501, "NotImplemented", "NotSupported", message)


def from_database(error: psycopg.Error) -> RefusedError:
    """The refusal that an error of Postgres amounts to."""
    if isinstance(error, PoolTimeout):
        message = "Max client connections reached"
        return RefusedError(429, "too_many_connections", "SlowDown", message)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return access_denied()
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return no_such_bucket()
    message = f"database error, code: {error.sqlstate}"
    return RefusedError(500, "DatabaseError", "DatabaseError", message)
