package airswasm

import (
	"time"
	"unsafe"
)

//go:wasmimport airswasm:component/timers@0.1.0 send-later
func hostSendLater(target string, payload unsafe.Pointer, size uint32, delay uint64, durable uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/timers@0.1.0 send-every
func hostSendEvery(target string, payload unsafe.Pointer, size uint32, interval uint64, durable uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/timers@0.1.0 cancel
func hostCancelTimer(timer uint64) uint32

// SendLater sends a message once, after delay, and returns the timer's id. A durable timer
// outlives this incarnation and the host.
func SendLater(target string, payload []byte, delay time.Duration, durable bool) (uint64, error) {
	var out area
	hostSendLater(target, data(payload), uint32(len(payload)), uint64(delay.Milliseconds()),
		number(durable), unsafe.Pointer(&out))
	return out.id()
}

// SendEvery sends a message every interval until CancelTimer, and returns the timer's id.
func SendEvery(target string, payload []byte, interval time.Duration, durable bool) (uint64, error) {
	var out area
	hostSendEvery(target, data(payload), uint32(len(payload)), uint64(interval.Milliseconds()),
		number(durable), unsafe.Pointer(&out))
	return out.id()
}

// CancelTimer ends a timer; false when the id is unknown or the timer has ended.
func CancelTimer(timer uint64) bool { return hostCancelTimer(timer) == 1 }

func number(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}
