"""Logging to standard error: lines of JSON for machines, or text for a terminal."""

import logging
import sys
from typing import IO, Any, Literal

import structlog
from pydantic_core import to_json


class Lenient:
    """A stream that drops lines instead of raising errors: no request fails because the log cannot be written."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def write(self, text: Any) -> None:
        """Write, if possible."""
        try:  # noqa: SIM105  # costs nothing, as suppress would
            self._stream.write(text)
        except (OSError, ValueError):  # a full disk, a broken pipe, a closed file
            pass

    def flush(self) -> None:
        """Flush, if possible."""
        try:  # noqa: SIM105
            self._stream.flush()
        except (OSError, ValueError):
            pass


def configure_logs(style: Literal["json", "text"]) -> None:
    """Set up logging for this process, including the messages of libraries."""
    said: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if style == "json":
        own, foreign = structlog.processors.JSONRenderer(_to_bytes), structlog.processors.JSONRenderer(_to_text)
        factory: Any = structlog.BytesLoggerFactory(Lenient(sys.stderr.buffer))  # type: ignore[arg-type]
    else:
        own = foreign = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())  # type: ignore[assignment]
        factory = structlog.PrintLoggerFactory(Lenient(sys.stderr))  # type: ignore[arg-type]
    structlog.configure(
        processors=[*said, own],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(Lenient(sys.stderr))
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[remove, foreign], foreign_pre_chain=said))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _to_bytes(event: object, **_: object) -> bytes:
    return to_json(event, fallback=str)


def _to_text(event: object, **_: object) -> str:
    return to_json(event, fallback=str).decode()
