package airswasm

import (
	"runtime"
	"time"
	"unsafe"
)

//go:wasmimport airswasm:component/messaging@0.1.0 envelope
func hostEnvelope(out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 send
func hostSend(target string, payload unsafe.Pointer, size uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 broadcast
func hostBroadcast(targets unsafe.Pointer, count uint32, payload unsafe.Pointer, size uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 request
func hostRequest(target string, payload unsafe.Pointer, size, timeout uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 call
func hostCall(target string, payload unsafe.Pointer, size, timeout uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 cancel
func hostCancel(request uint64) uint32

//go:wasmimport airswasm:component/messaging@0.1.0 publish
func hostPublish(topic string, payload unsafe.Pointer, size uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 publish-retained
func hostPublishRetained(topic string, payload unsafe.Pointer, size uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 subscribe
func hostSubscribe(pattern string, out unsafe.Pointer)

//go:wasmimport airswasm:component/messaging@0.1.0 unsubscribe
func hostUnsubscribe(pattern string, out unsafe.Pointer)

// Envelope is what travels with a message beside its payload.
type Envelope struct {
	ID, Correlation string
	Hops            uint32
	// RemainingMs is nil without a deadline.
	RemainingMs *uint64
	// Traceparent, Codec and ReplayOf are empty where there is none.
	Traceparent, Codec, ReplayOf string
	Attempt                      uint32
	Retained                     bool
}

// CurrentEnvelope returns what came with the message in hand; nil outside of one.
func CurrentEnvelope() *Envelope {
	var out area
	hostEnvelope(unsafe.Pointer(&out))
	if !out.is(0) {
		return nil
	}
	return &Envelope{
		ID: out.text(8), Correlation: out.text(16), Hops: out.u32(24),
		RemainingMs: out.optionalNumber(32), Traceparent: string(out.optional(48)),
		Codec: string(out.optional(60)), Attempt: out.u32(72),
		ReplayOf: string(out.optional(76)), Retained: out.is(88),
	}
}

// Send puts a message into the target's mailbox and returns.
func Send(target string, payload []byte) error {
	var out area
	hostSend(target, data(payload), uint32(len(payload)), unsafe.Pointer(&out))
	return out.accepted()
}

// Broadcast sends one message to several targets, and returns an outcome for each.
func Broadcast(targets []string, payload []byte) ([]error, error) {
	var out area
	pairs := listed(targets)
	hostBroadcast(unsafe.Pointer(unsafe.SliceData(pairs)), uint32(len(targets)),
		data(payload), uint32(len(payload)), unsafe.Pointer(&out))
	runtime.KeepAlive(targets)
	if out.is(0) {
		return nil, out.messagingError(4)
	}
	var outcomes []error
	for _, row := range unsafe.Slice((*[4]uint32)(unsafe.Pointer(uintptr(out.u32(4)))), out.u32(8)) {
		var one area
		*(*[4]uint32)(unsafe.Pointer(&one)) = row
		outcomes = append(outcomes, one.accepted())
	}
	return outcomes, nil
}

// Request sends a message and returns an id at once; the answer arrives through Callback. A
// timeout of 0 is the host's default.
func Request(target string, payload []byte, timeout time.Duration) (uint64, error) {
	var out area
	hostRequest(target, data(payload), uint32(len(payload)), uint32(timeout.Milliseconds()),
		unsafe.Pointer(&out))
	return out.id()
}

// Call sends a message and waits for the answer; nil where the target gave none.
func Call(target string, payload []byte, timeout time.Duration) ([]byte, error) {
	var out area
	hostCall(target, data(payload), uint32(len(payload)), uint32(timeout.Milliseconds()),
		unsafe.Pointer(&out))
	if out.is(0) {
		return nil, out.messagingError(4)
	}
	return out.optional(4), nil
}

// Cancel gives up on a request; false when the id is unknown or already answered.
func Cancel(request uint64) bool { return hostCancel(request) == 1 }

// Publish publishes to a topic and returns the number of mailboxes it was put into.
func Publish(topic string, payload []byte) (uint32, error) {
	var out area
	hostPublish(topic, data(payload), uint32(len(payload)), unsafe.Pointer(&out))
	return out.count()
}

// PublishRetained publishes, and keeps the payload as the topic's value for later subscribers.
func PublishRetained(topic string, payload []byte) (uint32, error) {
	var out area
	hostPublishRetained(topic, data(payload), uint32(len(payload)), unsafe.Pointer(&out))
	return out.count()
}

// Subscribe receives what is published to topics that match pattern, until this incarnation ends.
func Subscribe(pattern string) error {
	var out area
	hostSubscribe(pattern, unsafe.Pointer(&out))
	return out.accepted()
}

// Unsubscribe ends a subscription.
func Unsubscribe(pattern string) error {
	var out area
	hostUnsubscribe(pattern, unsafe.Pointer(&out))
	return out.accepted()
}

func (a *area) accepted() error {
	if a.is(0) {
		return a.messagingError(4)
	}
	return nil
}

func (a *area) count() (uint32, error) {
	if a.is(0) {
		return 0, a.messagingError(4)
	}
	return a.u32(4), nil
}

func (a *area) id() (uint64, error) {
	if a.is(0) {
		return 0, a.messagingError(8)
	}
	return a.u64(8), nil
}
