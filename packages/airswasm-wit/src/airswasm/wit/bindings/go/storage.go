package airswasm

import (
	"runtime"
	"time"
	"unsafe"
)

//go:wasmimport airswasm:component/storage@0.1.0 get
func hostGet(key string, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 set
func hostSet(key string, value unsafe.Pointer, size uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 delete
func hostDelete(key string, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 exists
func hostExists(key string, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 scan
func hostScan(prefix string, hasAfter uint32, after string, limit, reverse uint32, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 ttl
func hostTTL(key string, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 set-with-ttl
func hostSetWithTTL(key string, value unsafe.Pointer, size uint32, ttl uint64, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 compare-and-set
func hostCompareAndSet(
	key string, hasExpected uint32, expected unsafe.Pointer, expectedSize uint32,
	hasValue uint32, value unsafe.Pointer, valueSize uint32, hasTTL uint32, ttl uint64,
	out unsafe.Pointer,
)

//go:wasmimport airswasm:component/storage@0.1.0 batch
func hostBatch(
	prefix string, set unsafe.Pointer, setCount uint32, sizes unsafe.Pointer, sizesCount uint32,
	values unsafe.Pointer, valuesSize uint32, remove unsafe.Pointer, removeCount uint32,
	out unsafe.Pointer,
)

//go:wasmimport airswasm:component/storage@0.1.0 delete-prefix
func hostDeletePrefix(prefix string, out unsafe.Pointer)

//go:wasmimport airswasm:component/storage@0.1.0 usage
func hostUsage(out unsafe.Pointer)

func data(value []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(value)) }

// Get returns the value of a key, or nil where it is not there. Waits for the disk.
func Get(key string) ([]byte, error) {
	var out area
	hostGet(key, unsafe.Pointer(&out))
	if out.is(0) {
		return nil, out.storageError(4)
	}
	return out.optional(4), nil
}

// Set writes a value; when it returns nil, the value survives a crash of the host.
func Set(key string, value []byte) error {
	var out area
	hostSet(key, data(value), uint32(len(value)), unsafe.Pointer(&out))
	return out.written()
}

// SetWithTTL writes a value that expires.
func SetWithTTL(key string, value []byte, ttl time.Duration) error {
	var out area
	hostSetWithTTL(key, data(value), uint32(len(value)), uint64(ttl.Milliseconds()),
		unsafe.Pointer(&out))
	return out.written()
}

// Delete removes a key, and says whether it was there.
func Delete(key string) (bool, error) {
	var out area
	hostDelete(key, unsafe.Pointer(&out))
	if out.is(0) {
		return false, out.writeError()
	}
	return out.is(8), nil
}

// Exists says whether a key is there.
func Exists(key string) (bool, error) {
	var out area
	hostExists(key, unsafe.Pointer(&out))
	if out.is(0) {
		return false, out.storageError(4)
	}
	return out.is(4), nil
}

// Entry is one key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// Scan returns a page of the entries whose keys start with prefix, and where the next page starts:
// pass it as after. It is empty at the end. A limit of 0 is the host's default.
func Scan(prefix, after string, limit uint32, reverse bool) (entries []Entry, next string, _ error) {
	var out area
	var hasAfter, backwards uint32
	if after != "" {
		hasAfter = 1
	}
	if reverse {
		backwards = 1
	}
	hostScan(prefix, hasAfter, after, limit, backwards, unsafe.Pointer(&out))
	if out.is(0) {
		return nil, "", out.storageError(4)
	}
	for _, row := range unsafe.Slice((*[4]uint32)(unsafe.Pointer(uintptr(out.u32(4)))), out.u32(8)) {
		entries = append(entries, Entry{
			string(taken(unsafe.Pointer(uintptr(row[0])), row[1])),
			taken(unsafe.Pointer(uintptr(row[2])), row[3]),
		})
	}
	return entries, string(out.optional(12)), nil
}

// TTL returns the time until a key expires; false where it never does, or is not there.
func TTL(key string) (time.Duration, bool, error) {
	var out area
	hostTTL(key, unsafe.Pointer(&out))
	if out.is(0) {
		return 0, false, out.storageError(8)
	}
	if left := out.optionalNumber(8); left != nil {
		return time.Duration(*left) * time.Millisecond, true, nil
	}
	return 0, false, nil
}

// CompareAndSet writes a value only if the key has the expected one; nil expects that it is not
// there, or deletes it. Otherwise the error is Conflict. A ttl of 0 is none.
func CompareAndSet(key string, expected, value []byte, ttl time.Duration) error {
	var out area
	hasExpected, expectedData, expectedSize := flat(expected)
	hasValue, valueData, valueSize := flat(value)
	var hasTTL uint32
	if ttl > 0 {
		hasTTL = 1
	}
	hostCompareAndSet(key, hasExpected, expectedData, expectedSize, hasValue, valueData, valueSize,
		hasTTL, uint64(ttl.Milliseconds()), unsafe.Pointer(&out))
	return out.written()
}

// Batch deletes keys, and then sets others: all changes or none. Each key is prefix and what
// follows. Returns how many keys were deleted.
func Batch(prefix string, set []Entry, remove []string) (uint32, error) {
	var out area
	var keys []string
	var values []byte
	var sizes []uint32
	for _, entry := range set {
		keys = append(keys, entry.Key)
		values = append(values, entry.Value...)
		sizes = append(sizes, uint32(len(entry.Value)))
	}
	setPairs, removePairs := listed(keys), listed(remove)
	hostBatch(prefix,
		unsafe.Pointer(unsafe.SliceData(setPairs)), uint32(len(keys)),
		unsafe.Pointer(unsafe.SliceData(sizes)), uint32(len(sizes)),
		data(values), uint32(len(values)),
		unsafe.Pointer(unsafe.SliceData(removePairs)), uint32(len(remove)), unsafe.Pointer(&out))
	runtime.KeepAlive(keys)
	runtime.KeepAlive(remove)
	if out.is(0) {
		return 0, out.writeError()
	}
	return out.u32(8), nil
}

// DeletePrefix deletes keys that start with prefix, and says how many and whether there are more.
func DeletePrefix(prefix string) (keys uint32, more bool, _ error) {
	var out area
	hostDeletePrefix(prefix, unsafe.Pointer(&out))
	if out.is(0) {
		return 0, false, out.writeError()
	}
	return out.u32(8), out.is(12), nil
}

// UsageInfo says how much of its quota a component uses.
type UsageInfo struct {
	UsedBytes, Keys, QuotaBytes uint64
	QuotaKeys                   *uint64
}

// Usage returns how much of its quota the component uses. Does not wait.
func Usage() (UsageInfo, error) {
	var out area
	hostUsage(unsafe.Pointer(&out))
	if out.is(0) {
		return UsageInfo{}, out.storageError(8)
	}
	return UsageInfo{out.u64(8), out.u64(16), out.u64(24), out.optionalNumber(32)}, nil
}

func (a *area) written() error {
	if a.is(0) {
		return a.writeError()
	}
	return nil
}
