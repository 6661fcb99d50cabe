;; The core of a component whose first byte of a message says what to do:
;; `v` answers its version, `c` counts in its storage and publishes the count to `counted`,
;; `o` writes a key that it was not granted. @VERSION@, @INIT@ and @MIGRATE@ are filled in.
(module
  (import "airswasm:component/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "airswasm:component/storage@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
  (import "airswasm:component/messaging@0.1.0" "publish"
    (func $publish (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "@VERSION@")
  (data (i32.const 32) "not today")
  (data (i32.const 48) "count")
  (data (i32.const 64) "other")
  (data (i32.const 80) "counted")
  (data (i32.const 96) "migrated")
  (global $top (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; result<option<list<u8>>, string> at 128
  (func $answer (param $is_error i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 128) (local.get $is_error))
    (i32.store (i32.const 132) (i32.const 1))
    (i32.store (i32.const 136) (local.get $at))
    (i32.store (i32.const 140) (local.get $length))
    (if (local.get $is_error) (then
      (i32.store (i32.const 132) (local.get $at))
      (i32.store (i32.const 136) (local.get $length))))
    (i32.const 128))
  ;; the text of the error that a host function left at 160
  (func $fail (result i32)
    (call $answer (i32.const 1) (i32.load (i32.const 168)) (i32.load (i32.const 172))))

  ;; the text of the error that a write left at 160
  (func $fail_write (result i32)
    (call $answer (i32.const 1) (i32.load (i32.const 176)) (i32.load (i32.const 180))))

  (func $count (result i32)
    (call $get (i32.const 48) (i32.const 5) (i32.const 160))
    (if (i32.load8_u (i32.const 160)) (then (return (call $fail))))
    (i32.store8 (i32.const 200)
      (i32.add (i32.const 1)
        (if (result i32) (i32.load8_u (i32.const 164))
          (then (i32.load8_u (i32.load (i32.const 168))))
          (else (i32.const 0)))))
    (call $set (i32.const 48) (i32.const 5) (i32.const 200) (i32.const 1) (i32.const 160))
    (if (i32.load8_u (i32.const 160)) (then (return (call $fail_write))))
    (call $publish (i32.const 80) (i32.const 7) (i32.const 200) (i32.const 1) (i32.const 160))
    (if (i32.load8_u (i32.const 160)) (then (return (call $fail))))
    (call $answer (i32.const 0) (i32.const 200) (i32.const 1)))

  (func (export "airswasm:component/handler@0.1.0#handle-message")
      (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32) (result i32)
    (local $command i32)
    (local.set $command (i32.load8_u (local.get $at)))
    (if (i32.eq (local.get $command) (i32.const 99)) (then (return (call $count))))
    (if (i32.eq (local.get $command) (i32.const 111)) (then
      (call $set (i32.const 64) (i32.const 5) (i32.const 16) (i32.const 1) (i32.const 160))
      (if (i32.load8_u (i32.const 160)) (then (return (call $fail_write))))))
    (call $answer (i32.const 0) (i32.const 16) (i32.const 5)))
  (func (export "cabi_post_airswasm:component/handler@0.1.0#handle-message") (param i32)
    (global.set $top (i32.const 1024)))

  ;; result<_, string> at 128
  (func $outcome (param $is_error i32) (result i32)
    (i32.store (i32.const 128) (local.get $is_error))
    (i32.store (i32.const 132) (i32.const 32))
    (i32.store (i32.const 136) (i32.const 9))
    (i32.const 128))
  (func (export "airswasm:component/lifecycle@0.1.0#init") (param i32 i32) (result i32)
    (call $outcome (i32.const @INIT@)))
  (func (export "airswasm:component/lifecycle@0.1.0#shutdown"))
  ;; keeps the version that it was given under "migrated"
  (func (export "airswasm:component/migration@0.1.0#migrate") (param i32 i32) (result i32)
    (call $set (i32.const 96) (i32.const 8) (local.get 0) (local.get 1) (i32.const 160))
    (call $outcome (i32.const @MIGRATE@))))
