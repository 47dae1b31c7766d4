"""What happens, as JSON Lines for a program that looks after the run."""

from __future__ import annotations

import json
from typing import Any, TextIO

from edge.redaction import redacted
from edge.types import Event, Failure, Result


class Log:
    """Writes one JSON object for each event and failure; results have their own stream.

    Args:
        stream: Text, usually standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, result: Result) -> None:
        """Nothing happened."""

    def write_failure(self, failure: Failure) -> None:
        """A frame that could not be had or saved."""
        self.say(
            "failure", failure.source, failure.time, frame=failure.index, reason=failure.reason
        )

    def event(self, event: Event) -> None:
        """A change of a source, a sink or the run."""
        self.say(event.name, event.subject, event.time, reason=event.reason)

    def say(self, event: str, subject: str, time: float, **more: Any) -> None:
        """Write a line."""
        texts = {key: redacted(text) for key, text in more.items() if isinstance(text, str)}
        line = {
            "event": event,
            "subject": subject,
            "time": round(time, 6),
            **more,
            **texts,
        }
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The stream is the caller's."""
