;; A component that makes its host work for ever: the first byte of a message says how.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.append"
    (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.set"
    (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.has"
    (func $has (param i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request"
    (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.headers"
    (func $headers (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.write-zeroes"
    (func $zeroes (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.12" "[method]output-stream.check-write"
    (func $permit (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $drop_stream (param i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]outgoing-body" (func $drop_body (param i32)))
  (import "wasi:http/types@0.2.12" "[resource-drop]outgoing-request"
    (func $drop_request (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration"
    (func $timer (param i64) (result i32)))
  (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
  (import "airswasm:component/capabilities@0.1.0" "check"
    (func $check (param i32 i32 i32 i32) (result i32)))
  (import "airswasm:component/logging@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "airswasm:component/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
  (memory (export "memory") 8)
  (data (i32.const 16) "storage:read")
  (global $top (mut i32) (i32.const 262144))

  ;; What the host returns is not kept: the upper half of the memory is used again and again.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (if (i32.gt_u (i32.add (local.get $at) (local.get 3)) (i32.const 524288))
      (then (local.set $at (i32.const 262144))))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $fill (param $byte i32) (param $length i32)
    (memory.fill (i32.const 65536) (local.get $byte) (local.get $length)))

  ;; look for what is not there among 1,900 fields
  (func $look_up
    (local $fields i32) (local $left i32)
    (call $fill (i32.const 97) (i32.const 8))
    (local.set $fields (call $fields))
    (local.set $left (i32.const 1900))
    (loop $more
      (call $append (local.get $fields) (i32.const 65536) (i32.const 1)
        (i32.const 65536) (i32.const 0) (i32.const 64))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (loop $again
      (drop (call $has (local.get $fields) (i32.const 65536) (i32.const 2)))
      (br $again)))

  ;; set 30,000 values of 32 bytes where nothing can be set
  (func $set_values
    (local $fields i32) (local $at i32)
    (local.set $fields (call $headers (call $request (call $fields))))
    (local.set $at (i32.const 262144))
    (loop $more
      (i32.store (local.get $at) (i32.const 65536))
      (i32.store offset=4 (local.get $at) (i32.const 32))
      (br_if $more
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 502144))))
    (loop $again
      (call $set (local.get $fields) (i32.const 16) (i32.const 7)
        (i32.const 262144) (i32.const 30000) (i32.const 64))
      (br $again)))

  ;; ask about a resource of 4 KiB
  (func $ask
    (call $fill (i32.const 97) (i32.const 4096))
    (loop $again
      (drop (call $check (i32.const 16) (i32.const 12) (i32.const 65536) (i32.const 4096)))
      (br $again)))

  ;; wait for 512 timers that have passed
  (func $wait
    (local $at i32)
    (loop $more
      (i32.store offset=65536 (local.get $at) (call $timer (i64.const 0)))
      (br_if $more
        (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 2048))))
    (loop $again
      (call $poll (i32.const 65536) (i32.const 512) (i32.const 64))
      (br $again)))

  ;; log 64,000 control characters
  (func $write_log
    (call $fill (i32.const 1) (i32.const 64000))
    (loop $again
      (call $log (i32.const 2) (i32.const 65536) (i32.const 64000))
      (br $again)))

  ;; read what was not granted
  (func $be_denied
    (call $fill (i32.const 98) (i32.const 4000))
    (loop $again
      (call $get (i32.const 65536) (i32.const 1000) (i32.const 64))
      (br $again)))

  ;; fill bodies of requests with zeros as long as they are taken; give them back, or keep them
  (func $fill_bodies (param $keep i32)
    (local $request i32) (local $body i32) (local $stream i32)
    (loop $again
      (local.set $request (call $request (call $fields)))
      (call $body (local.get $request) (i32.const 64))
      (local.set $body (i32.load (i32.const 68)))
      (call $write (local.get $body) (i32.const 64))
      (local.set $stream (i32.load (i32.const 68)))
      (block $full (loop $more
        (call $permit (local.get $stream) (i32.const 64))
        (br_if $full (i32.or (i32.load8_u (i32.const 64)) (i64.eqz (i64.load (i32.const 72)))))
        (call $zeroes (local.get $stream) (i64.load (i32.const 72)) (i32.const 64))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 64))))))
      (br_if $again (local.get $keep))
      (call $drop_stream (local.get $stream))
      (call $drop_body (local.get $body))
      (call $drop_request (local.get $request))
      (br $again)))

  (func (export "airswasm:component/handler@0.1.0#handle-message")
      (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32) (result i32)
    (local $command i32)
    (local.set $command (i32.load8_u (local.get $at)))
    (if (i32.eq (local.get $command) (i32.const 102)) (then (call $look_up))) ;; f
    (if (i32.eq (local.get $command) (i32.const 118)) (then (call $set_values))) ;; v
    (if (i32.eq (local.get $command) (i32.const 99)) (then (call $ask))) ;; c
    (if (i32.eq (local.get $command) (i32.const 112)) (then (call $wait))) ;; p
    (if (i32.eq (local.get $command) (i32.const 108)) (then (call $write_log))) ;; l
    (if (i32.eq (local.get $command) (i32.const 100)) (then (call $be_denied))) ;; d
    (if (i32.eq (local.get $command) (i32.const 122)) (then (call $fill_bodies (i32.const 0)))) ;; z
    (if (i32.eq (local.get $command) (i32.const 104)) (then (call $fill_bodies (i32.const 1)))) ;; h
    (if (i32.eq (local.get $command) (i32.const 109)) ;; m: take all memory, and go on
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (call $ask)))
    (if (i32.eq (local.get $command) (i32.const 115)) ;; s: compute
      (then (loop $forever (br $forever))))
    (i32.store (i32.const 128) (i32.const 0)) ;; ok(none)
    (i32.store (i32.const 132) (i32.const 0))
    (i32.const 128))
  (func (export "cabi_post_airswasm:component/handler@0.1.0#handle-message") (param i32)))
