package airswasm

import "fmt"

// Kind says why the host refused a call. The texts are those of the contract.
type Kind string

// The kinds of the errors of storage and of messaging.
const (
	Denied        Kind = "denied"
	InvalidKey    Kind = "invalid-key"
	Invalid       Kind = "invalid"
	TooLarge      Kind = "too-large"
	QuotaExceeded Kind = "quota-exceeded"
	Conflict      Kind = "conflict"
	Unavailable   Kind = "unavailable"
	UnknownTarget Kind = "unknown-target"
	MailboxFull   Kind = "mailbox-full"
	RateLimited   Kind = "rate-limited"
	TimedOut      Kind = "timed-out"
	Cancelled     Kind = "cancelled"
	Cycle         Kind = "cycle"
	Failed        Kind = "failed"
	TooManyHops   Kind = "too-many-hops"
)

var (
	storageKinds = [...]Kind{Denied, InvalidKey, TooLarge, Unavailable}
	writeKinds   = [...]Kind{
		Denied, InvalidKey, Invalid, TooLarge, QuotaExceeded, Conflict, Unavailable,
	}
	messagingKinds = [...]Kind{
		Denied, UnknownTarget, MailboxFull, TooLarge, RateLimited, Invalid, TimedOut, Cancelled,
		Cycle, Failed, TooManyHops,
	}
)

const (
	timedOut  = 6
	cancelled = 7
)

// Quota has the numbers behind QuotaExceeded.
type Quota struct {
	UsedBytes, NeededBytes, QuotaBytes uint64
	UsedKeys, NeededKeys               uint64
	QuotaKeys                          *uint64
}

// Error is what a function of the host answered. Find it with errors.As, or errors.Is and a Kind.
type Error struct {
	Kind Kind
	// Text is for people, such as the line of Component.toml that grants the capability.
	Text string
	// Quota is set with QuotaExceeded.
	Quota *Quota
	// Current is, with Conflict, what the key has; nil where it is not there.
	Current []byte
}

func (e *Error) Error() string {
	if e.Quota != nil {
		return fmt.Sprintf("quota-exceeded: %d of %d bytes and %d keys are used",
			e.Quota.UsedBytes, e.Quota.QuotaBytes, e.Quota.UsedKeys)
	}
	if e.Text == "" {
		return string(e.Kind)
	}
	return string(e.Kind) + ": " + e.Text
}

// Error makes a Kind a target of errors.Is.
func (k Kind) Error() string { return string(k) }

// Is compares by the kind.
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

func (a *area) storageError(offset uintptr) error {
	return &Error{Kind: storageKinds[a.kind(offset)], Text: a.text(offset + 4)}
}

func (a *area) messagingError(offset uintptr) error {
	kind := a.kind(offset)
	if kind == timedOut || kind == cancelled {
		return &Error{Kind: messagingKinds[kind]}
	}
	return &Error{Kind: messagingKinds[kind], Text: a.text(offset + 4)}
}

// Writes have their error at 8: a quota has numbers of 8 bytes.
func (a *area) writeError() error {
	failure := &Error{Kind: writeKinds[a.kind(8)]}
	switch failure.Kind {
	case QuotaExceeded:
		failure.Quota = &Quota{
			a.u64(16), a.u64(24), a.u64(32), a.u64(40), a.u64(48), a.optionalNumber(56),
		}
	case Conflict:
		failure.Current = a.optional(16)
	default:
		failure.Text = a.text(16)
	}
	return failure
}
