;; An interpreter whose code is its source: it answers each message with the code of its entry.
;; A source that begins with `!` is refused at line 3, one with `#` traps.
(module
  (import "airswasm:interpreter/sources@0.1.0" "entry" (func $entry (param i32)))
  (import "airswasm:interpreter/sources@0.1.0" "code" (func $code (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (data (i32.const 64) "3: not like this")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; result<list<u8>, string> at 256
  (func $compiled (param $case i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 256) (local.get $case))
    (i32.store (i32.const 260) (local.get $at))
    (i32.store (i32.const 264) (local.get $length))
    (i32.const 256))

  (func (export "airswasm:interpreter/compiler@0.1.0#compile")
    (param $at i32) (param $length i32) (param i32 i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 35)) (then unreachable))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33))
      (then (return (call $compiled (i32.const 1) (i32.const 64) (i32.const 16)))))
    (call $compiled (i32.const 0) (local.get $at) (local.get $length)))

  ;; result<option<list<u8>>, string> at 128; the entry's name at 192, its code at 208
  (func (export "airswasm:component/handler@0.1.0#handle-message")
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $entry (i32.const 192))
    (call $code (i32.load (i32.const 192)) (i32.load (i32.const 196)) (i32.const 208))
    (i32.store (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.load (i32.const 208)))
    (i32.store (i32.const 136) (i32.load (i32.const 212)))
    (i32.store (i32.const 140) (i32.load (i32.const 216)))
    (i32.const 128)))
