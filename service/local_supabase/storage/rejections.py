"""What the storage API says when it says no: status, error, code and message of each refusal."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout

_TRUE_HTTP_STATUSES = (416, 429, 500, 501)


class StorageRejectedError(Exception):
    """A request that was refused.

    Args:
        status: the true status, sent as the string `statusCode` in the body.
        error: the body's `error`, which storage3 calls `code`.
        reason: the body's `code`.
        message: the body's `message`.
    """

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


def invalid_request(message: str) -> StorageRejectedError:
    """A body, header or parameter of the wrong shape."""
    return StorageRejectedError(400, "Error", "InvalidRequest", message)


def invalid_bucket_name() -> StorageRejectedError:
    """A bucket's name with other characters, or too long, or empty."""
    return StorageRejectedError(400, "Invalid Input", "InvalidBucketName", "Bucket name invalid")


def invalid_key(key: str) -> StorageRejectedError:
    """An object's key with a character that is not allowed."""
    return StorageRejectedError(400, "InvalidKey", "InvalidKey", f"Invalid key: {key}")


def invalid_mime_type(mime_type: str) -> StorageRejectedError:
    """A type that the bucket does not take, or that is none."""
    message = f"mime type {mime_type} is not supported"
    return StorageRejectedError(415, "invalid_mime_type", "InvalidMimeType", message)


def too_large() -> StorageRejectedError:
    """More bytes than the bucket or the project allows."""
    message = "The object exceeded the maximum allowed size"
    return StorageRejectedError(413, "Payload too large", "EntityTooLarge", message)


def no_such_bucket() -> StorageRejectedError:
    """No bucket of that name that the caller can see."""
    return StorageRejectedError(404, "Bucket not found", "NoSuchBucket", "Bucket not found")


def no_such_key() -> StorageRejectedError:
    """No object of that key that the caller can see."""
    return StorageRejectedError(404, "not_found", "NoSuchKey", "Object not found")


def duplicate(reason: str) -> StorageRejectedError:
    """Something of that name exists; `reason` says what kind of thing."""
    return StorageRejectedError(409, "Duplicate", reason, "The resource already exists")


def bucket_not_empty() -> StorageRejectedError:
    """A bucket with objects cannot be deleted."""
    message = "The bucket you tried to delete is not empty"
    return StorageRejectedError(409, "ResourceNotEmpty", "ResourceNotEmpty", message)


def access_denied(
    message: str = "new row violates row-level security policy",
) -> StorageRejectedError:
    """The token is no good, or a policy forbids it."""
    return StorageRejectedError(403, "Unauthorized", "AccessDenied", message)


def invalid_token(message: str) -> StorageRejectedError:
    """The token of a signed URL is no good."""
    return StorageRejectedError(400, "InvalidJWT", "InvalidJWT", message)


def invalid_signature() -> StorageRejectedError:
    """The token of a signed URL is for something else."""
    return StorageRejectedError(400, "InvalidSignature", "InvalidSignature", "Invalid signature")


def invalid_range() -> StorageRejectedError:
    """A Range header that names no bytes of the object."""
    return StorageRejectedError(416, "invalid_range", "InvalidRange", "invalid range provided")


def internal() -> StorageRejectedError:
    """A failure that the caller can do nothing about."""
    return StorageRejectedError(500, "Internal", "InternalError", "Internal Server Error")


def not_served(what: str) -> StorageRejectedError:
    """A part of the platform that the embedded stack leaves out."""
    message = f"The embedded stack does not serve {what}; use a Supabase project for it."
    return StorageRejectedError(501, "NotImplemented", "NotSupported", message)


def from_database(error: psycopg.Error) -> StorageRejectedError:
    """The refusal that an error of Postgres amounts to."""
    if isinstance(error, PoolTimeout):
        message = "Max client connections reached"
        return StorageRejectedError(429, "too_many_connections", "SlowDown", message)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return access_denied()
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return no_such_bucket()
    message = f"database error, code: {error.sqlstate}"
    return StorageRejectedError(500, "DatabaseError", "DatabaseError", message)
