package airswasm

import "unsafe"

// The first eight mebibytes are where the host puts what it passes, and the rest is the WASI
// adapter's. Go can do neither: it must not call the host while it makes room, and it assumes that
// no other code grows its memory. So `airswasm build` adds allocators to the module, which find
// this room by its mark.
var room = [10 << 20]byte{
	'a', 'i', 'r', 's', 'w', 'a', 's', 'm', ' ', 'r', 'o', 'o', 'm', ' ', 'o', 'f', ' ', 'G', 'o',
	':', ' ', '8', ' ', 'M', 'i', 'B', ',', ' ', '2', ' ', 'M', 'i', 'B', 0,
}

func init() { keep(&room) } // or the linker would leave it out

//go:noinline
func keep(*[10 << 20]byte) {}

// What the host was given the address of lives until the next call.
var (
	kept   []byte
	result [4]uint32
)

// Copies what lies outside of Go's own memory.
func taken(data unsafe.Pointer, size uint32) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(data), size)...)
}

func address(value []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(value)))) }

func given(failure error) unsafe.Pointer {
	result = [4]uint32{}
	if failure != nil {
		kept = []byte(failure.Error())
		result = [4]uint32{1, address(kept), uint32(len(kept)), 0}
	}
	return unsafe.Pointer(&result)
}

func givenReply(reply []byte) unsafe.Pointer {
	kept = reply
	result = [4]uint32{0, 1, address(kept), uint32(len(kept))}
	return unsafe.Pointer(&result)
}

// area is where the host writes a result; offsets are those of the canonical ABI.
type area [13]uint64

func (a *area) at(offset uintptr) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(a), offset)
}
func (a *area) is(offset uintptr) bool    { return *(*byte)(a.at(offset)) == 1 }
func (a *area) u32(offset uintptr) uint32 { return *(*uint32)(a.at(offset)) }
func (a *area) u64(offset uintptr) uint64 { return *(*uint64)(a.at(offset)) }
func (a *area) kind(offset uintptr) byte  { return *(*byte)(a.at(offset)) }
func (a *area) bytes(offset uintptr) []byte {
	return taken(unsafe.Pointer(uintptr(a.u32(offset))), a.u32(offset+4))
}
func (a *area) text(offset uintptr) string { return string(a.bytes(offset)) }

// optional reads an option of a list of bytes; nil where it is none.
func (a *area) optional(offset uintptr) []byte {
	if !a.is(offset) {
		return nil
	}
	return a.bytes(offset + 4)
}

// optionalNumber reads an option of a u64; nil where it is none.
func (a *area) optionalNumber(offset uintptr) *uint64 {
	if !a.is(offset) {
		return nil
	}
	number := a.u64(offset + 8)
	return &number
}

// An option of bytes, flat; nil is none.
func flat(value []byte) (uint32, unsafe.Pointer, uint32) {
	if value == nil {
		return 0, nil, 0
	}
	return 1, unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value))
}

// A list of strings as the canonical ABI has it; the strings must outlive its use.
func listed(texts []string) []uint32 {
	pairs := make([]uint32, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))),
			uint32(len(text)))
	}
	return pairs
}
