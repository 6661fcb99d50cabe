;; See wasi.wit. Results of imports are written at 0, lists of handles at 64.
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
    (func $subscribe (param i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $flushed (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream"
    (func $drop_stream (param i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (memory (export "memory") 64)
  (global $top (mut i32) (i32.const 65536))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $timer (param $ms i32) (result i32)
    (call $subscribe (i64.mul (i64.extend_i32_u (local.get $ms)) (i64.const 1000000))))

  (func (export "nap") (param $ms i32)
    (local $pollable i32)
    (local.set $pollable (call $timer (local.get $ms)))
    (call $block (local.get $pollable))
    (call $drop_pollable (local.get $pollable)))

  (func (export "nap-first") (param $long i32) (param $short i32) (result i32)
    (i32.store (i32.const 64) (call $timer (local.get $long)))
    (i32.store (i32.const 68) (call $timer (local.get $short)))
    (call $poll (i32.const 64) (i32.const 2) (i32.const 0))
    (call $drop_pollable (i32.load (i32.const 64)))
    (call $drop_pollable (i32.load (i32.const 68)))
    (i32.load (i32.load (i32.const 0))))

  (func (export "poll-nothing")
    (call $poll (i32.const 64) (i32.const 0) (i32.const 0)))

  (func (export "say") (param $text i32) (param $length i32) (result i32)
    (local $stream i32)
    (local.set $stream (call $stdout))
    (call $flushed (local.get $stream) (local.get $text) (local.get $length) (i32.const 0))
    (call $drop_stream (local.get $stream))
    (i32.eqz (i32.load8_u (i32.const 0))))

  (func (export "shout") (param $bytes i32)
    (call $write (call $stdout) (i32.const 65536) (local.get $bytes) (i32.const 0)))

  (func (export "leave") (param $failed i32) (call $exit (local.get $failed)))

  (func (export "roll") (param $bytes i64) (result i32)
    (call $random (local.get $bytes) (i32.const 0))
    (i32.load (i32.const 4))))
