// A guest with all of Go's standard library; the canonical ABI by hand.
package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport test:languages/host reverse
func hostReverse(data unsafe.Pointer, size uint32, result unsafe.Pointer)

// The first eight mebibytes are where the host puts what it passes, and the rest is the adapter's.
// Go can do neither: it must not call the host while it makes room, and assumes that no other code
// grows its memory. So allocators are added to the module, which find this room by its mark.
var room = [10 << 20]byte{'m', 'a', 'r', 'k', ' ', 'o', 'f', ' ', 't', 'h', 'e', ' ', 'r', 'o', 'o', 'm'}

// Keeps what the host was given an address of until the host has read it.
var kept []byte
var result [2]uint32

func given(value []byte) unsafe.Pointer {
	kept = value
	result = [2]uint32{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(value)))), uint32(len(value))}
	return unsafe.Pointer(&result)
}

// Copies what lies outside of Go's memory, where cabi_realloc put it.
func taken(data unsafe.Pointer, size uint32) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(data), size)...)
}

//go:wasmexport echo
func echo(data unsafe.Pointer, size uint32) unsafe.Pointer { return given(taken(data, size)) }

//go:wasmexport relay
func relay(data unsafe.Pointer, size uint32) unsafe.Pointer {
	var answer [2]uint32
	hostReverse(data, size, unsafe.Pointer(&answer))
	return given(taken(unsafe.Pointer(uintptr(answer[0])), answer[1]))
}

//go:wasmexport say
func say(data unsafe.Pointer, size uint32) { fmt.Println(string(taken(data, size))) }

//go:wasmexport now
func now() uint64 { return uint64(time.Now().UnixMilli()) }

//go:wasmexport random
func random() uint64 {
	var bytes [8]byte
	rand.Read(bytes[:])
	return binary.LittleEndian.Uint64(bytes[:])
}

//go:wasmexport variable
func variable(data unsafe.Pointer, size uint32) unsafe.Pointer {
	return given([]byte(os.Getenv(string(taken(data, size)))))
}

//go:wasmexport command-line
func arguments() unsafe.Pointer { return given([]byte(strings.Join(os.Args, " "))) }

//go:wasmexport nap
func nap(ms uint32) { time.Sleep(time.Duration(ms) * time.Millisecond) }

//go:wasmexport fail
func fail(at uint32) uint32 { return unlucky([]uint32{1, 2, 3}, at) }

//go:noinline
func unlucky(numbers []uint32, at uint32) uint32 { return numbers[at] }

func main() { fmt.Println(room[len(room)-1]) }
