"""The rows of the table that deal with recorded messages."""

from __future__ import annotations

from .operation import Component, Json, JsonLines, Operation, Parameter, Text

__all__ = ("RECORDING_OPERATIONS",)

_ANSWERS = "airswasm.cli._control.recording_answers"
_RECORDINGS = "/v1/recordings"
_NAME = Parameter("name", "path", Component(), "The component.")

RECORDING_OPERATIONS = (
    Operation(
        "recordings", "GET", _RECORDINGS, "List the recordings of messages.",
        Json("recordings/1", "airswasm.lifecycle:RecordingInfo", "recordings", is_list=True),
        scope="read",
    ),
    Operation(
        "recorded_messages", "GET", f"{_RECORDINGS}/{{name}}",
        "List the recorded messages of a component, without their content.",
        JsonLines("recorded-message/1", f"{_ANSWERS}:RecordedDocument"), (_NAME,), scope="read",
    ),
    Operation(
        "replay", "POST", f"{_RECORDINGS}/{{name}}/replays",
        "Try a retained version on the recorded messages of a component, without an effect.",
        Json("recording-replay/1", f"{_ANSWERS}:ReportDocument"),
        (
            _NAME,
            Parameter("to", "query", Text(), "The version; by default the one that runs.", None),
        ),
        changes=True,
        detail="The running version handles the messages first, on a copy of its data: what it "
        "does not repeat is not compared. Then the other version handles them on the same data. "
        "Sends, requests and all else with an effect are noted and not done. The answer shows "
        "replies and stored values.",
        scope="all",
    ),
    Operation(
        "forget_recording", "DELETE", f"{_RECORDINGS}/{{name}}",
        "Remove the recorded messages of a component.",
        Json("forgotten-recording/1", "", "messages"), (_NAME,),
        changes=True,
        detail="`messages` is their number. Its messages are recorded all the same as long as "
        "`replay.record` names it.",
        scope="all",
    ),
)  # fmt: skip
