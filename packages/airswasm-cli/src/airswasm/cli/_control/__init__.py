"""The control API: a host's operations over HTTP.

`operation` describes an operation and `api` holds all of them; those on stored data are in
`storage_api`, those on grants in `grant_api`, those that explain a decision in `access_api`, those
on the audit log in `audit_api`, those on dead letters in `letter_api`, those on timers in
`timer_api`, those on exported functions in `function_api`, those on versions in `version_api`,
those on traces in `trace_api`, those on alerts in `alert_api`, and those on recorded messages in
`recording_api`. From that table
come `server`, with bounded `connections`, and the document of `openapi`. `gate` admits requests
over TCP by `tokens`, and `requester` names the sender of a request. `endpoint` finds a host's
socket and `unix_http` speaks over it. `document` turns values into JSON, `answers`,
`trust_answers`, `letter_answers`, `function_answers`, `trace_answers` and `recording_answers` have
the documents of this block's own, and `pending` keeps uploaded packages until they are approved.
`swap_api` has that on development builds, `alert_api` those on alerts, and `page_api`
those that the page reads. `page_sessions` has the sessions of the page, and `page_door` begins and
ends them.
"""
