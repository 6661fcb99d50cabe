// Package airswasm writes airswasm components in Go.
//
//	func init() {
//		airswasm.Serve(airswasm.Component{Handle: handle})
//	}
//
// The host calls one function of a component at a time. Variables are gone after a restart; what
// is in storage survives restarts and updates. A panic ends the incarnation, and the supervisor
// decides what follows.
package airswasm

import "unsafe"

// Message is one message.
type Message struct {
	// Sender is the sender's name, namespace/name, or host.
	Sender string
	// Topic is set where the message was published rather than sent.
	Topic string
	// IsPublished tells an event from a message that was sent.
	IsPublished bool
	Payload     []byte
}

// Component holds the functions of a component. Handle is required.
type Component struct {
	// Init is called once, before the first message, with [config] as a JSON object.
	Init func(config string) error
	// Handle handles one message. A nil reply acknowledges it; an error refuses it.
	Handle func(message Message) ([]byte, error)
	// Callback delivers the outcome of a Request.
	Callback func(request uint64, reply []byte, failure error)
	// Check is the component's own view of whether it works.
	Check func() error
	// Migrate takes over what an earlier version stored.
	Migrate func(fromVersion string) error
	// Shutdown is called once, after the last message; not after a crash.
	Shutdown func()
}

var served Component

// Serve names the functions that the host calls; call it in init.
func Serve(component Component) { served = component }

//go:wasmexport airswasm:component/lifecycle@0.1.0#init
func exportInit(config unsafe.Pointer, size uint32) unsafe.Pointer {
	if served.Init == nil {
		return given(nil)
	}
	return given(served.Init(string(taken(config, size))))
}

//go:wasmexport airswasm:component/lifecycle@0.1.0#shutdown
func exportShutdown() {
	if served.Shutdown != nil {
		served.Shutdown()
	}
}

//go:wasmexport airswasm:component/handler@0.1.0#handle-message
func exportHandle(
	sender unsafe.Pointer, senderSize uint32,
	isPublished uint32, topic unsafe.Pointer, topicSize uint32,
	payload unsafe.Pointer, payloadSize uint32,
) unsafe.Pointer {
	if served.Handle == nil {
		panic("airswasm.Serve was not called in init, or without Handle")
	}
	reply, failure := served.Handle(Message{
		Sender:      string(taken(sender, senderSize)),
		Topic:       string(taken(topic, topicSize*isPublished)),
		IsPublished: isPublished == 1,
		Payload:     taken(payload, payloadSize),
	})
	if failure != nil || reply == nil {
		return given(failure)
	}
	return givenReply(reply)
}

//go:wasmexport airswasm:component/callbacks@0.1.0#handle-callback
func exportCallback(
	request uint64, failed uint32, kind uint32, text unsafe.Pointer, size uint32,
) {
	if served.Callback == nil {
		return
	}
	if failed == 1 {
		failure := &Error{Kind: messagingKinds[kind]}
		if kind != timedOut && kind != cancelled {
			failure.Text = string(taken(text, size))
		}
		served.Callback(request, nil, failure)
	} else if kind == 0 {
		served.Callback(request, nil, nil)
	} else {
		served.Callback(request, taken(text, size), nil)
	}
}

//go:wasmexport airswasm:component/health@0.1.0#check
func exportCheck() unsafe.Pointer {
	if served.Check == nil {
		return given(nil)
	}
	return given(served.Check())
}

//go:wasmexport airswasm:component/migration@0.1.0#migrate
func exportMigrate(version unsafe.Pointer, size uint32) unsafe.Pointer {
	if served.Migrate == nil {
		return given(nil)
	}
	return given(served.Migrate(string(taken(version, size))))
}
