;; A component for tests: the first byte of a message says what to do.
;; @VERSION@, @INIT@, @MIGRATE@, @HEALTH@, @EAGER@ and @PAGES@ are filled in by the tests.
(module
  (import "airswasm:component/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
  (import "airswasm:component/storage@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
  (import "airswasm:component/logging@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") @PAGES@)
  (data (i32.const 16) "@VERSION@")
  (data (i32.const 32) "refused")
  (data (i32.const 48) "count")
  (data (i32.const 64) "other")
  (data (i32.const 80) "hello log")
  (data (i32.const 96) "migrated")
  (global $top (mut i32) (i32.const 1024))
  (global $checks (mut i32) (i32.const 0))

  (func $allocate (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; result<option<list<u8>>, string> at 128
  (func $reply (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.const 1))
    (i32.store (i32.const 136) (local.get $at))
    (i32.store (i32.const 140) (local.get $length))
    (i32.const 128))
  (func $refuse (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 128) (i32.const 1))
    (i32.store (i32.const 132) (local.get $at))
    (i32.store (i32.const 136) (local.get $length))
    (i32.const 128))
  (func $done (result i32)
    (i32.store (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.const 0))
    (i32.const 128))

  ;; adds one to the byte stored under "count" and replies with it
  (func $count (result i32)
    (call $get (i32.const 48) (i32.const 5) (i32.const 160))
    (if (i32.load8_u (i32.const 160))
      (then (return (call $refuse (i32.load (i32.const 168)) (i32.load (i32.const 172))))))
    (i32.store8 (i32.const 200)
      (i32.add (i32.const 1)
        (if (result i32) (i32.load8_u (i32.const 164))
          (then (i32.load8_u (i32.load (i32.const 168))))
          (else (i32.const 0)))))
    (call $set (i32.const 48) (i32.const 5) (i32.const 200) (i32.const 1) (i32.const 160))
    (if (i32.load8_u (i32.const 160))
      (then (return (call $refuse (i32.load (i32.const 176)) (i32.load (i32.const 180))))))
    (call $reply (i32.const 200) (i32.const 1)))

  ;; code that runs when it is instantiated: it logs, and writes what it may
  (func (export "_initialize")
    (if (i32.const @EAGER@)
      (then
        (call $log (i32.const 2) (i32.const 80) (i32.const 9))
        (call $set (i32.const 48) (i32.const 5) (i32.const 16) (i32.const 1) (i32.const 160)))))

  (func (export "airswasm:component/handler@0.1.0#handle-message")
      (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32) (result i32)
    (local $command i32)
    (local.set $command (i32.load8_u (local.get $at)))
    (if (i32.eq (local.get $command) (i32.const 101)) ;; e: echo
      (then (return (call $reply (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $command) (i32.const 118)) ;; v: version
      (then (return (call $reply (i32.const 16) (i32.const 5)))))
    (if (i32.eq (local.get $command) (i32.const 99)) ;; c: count
      (then (return (call $count))))
    (if (i32.eq (local.get $command) (i32.const 116)) ;; t: trap
      (then (unreachable)))
    (if (i32.eq (local.get $command) (i32.const 115)) ;; s: spin
      (then (loop $forever (br $forever))))
    (if (i32.eq (local.get $command) (i32.const 107)) ;; k: log, and spin
      (then
        (call $log (i32.const 2) (i32.const 80) (i32.const 9))
        (loop $forever (br $forever))))
    (if (i32.eq (local.get $command) (i32.const 103)) ;; g: grow by 8 MiB; "refused" if it cannot
      (then
        (if (i32.eq (memory.grow (i32.const 128)) (i32.const -1))
          (then (return (call $reply (i32.const 32) (i32.const 7)))))))
    (if (i32.eq (local.get $command) (i32.const 114)) ;; r: refuse
      (then (return (call $refuse (i32.const 32) (i32.const 7)))))
    (if (i32.eq (local.get $command) (i32.const 111)) ;; o: write what was not granted
      (then
        (call $set (i32.const 64) (i32.const 5) (i32.const 16) (i32.const 1) (i32.const 160))
        (if (i32.load8_u (i32.const 160))
          (then (return (call $refuse (i32.load (i32.const 176)) (i32.load (i32.const 180))))))))
    (if (i32.eq (local.get $command) (i32.const 110)) ;; n: note the message as a key
      (then
        (call $set
          (local.get $at) (local.get $length) (i32.const 16) (i32.const 1) (i32.const 160))
        (if (i32.load8_u (i32.const 160))
          (then (return (call $refuse (i32.load (i32.const 176)) (i32.load (i32.const 180))))))))
    (if (i32.eq (local.get $command) (i32.const 108)) ;; l: log
      (then (call $log (i32.const 2) (i32.const 80) (i32.const 9))))
    (call $done))
  (func (export "cabi_post_airswasm:component/handler@0.1.0#handle-message") (param i32)
    (global.set $top (i32.const 1024)))

  ;; result<_, string> at 128
  (func $outcome (param $is_error i32) (result i32)
    (i32.store (i32.const 128) (local.get $is_error))
    (i32.store (i32.const 132) (i32.const 32))
    (i32.store (i32.const 136) (i32.const 7))
    (i32.const 128))
  (func (export "airswasm:component/lifecycle@0.1.0#init") (param i32 i32) (result i32)
    (if (i32.eq (i32.const @INIT@) (i32.const 2)) (then (loop $forever (br $forever))))
    (if (i32.eq (i32.const @INIT@) (i32.const 3)) (then (unreachable)))
    (if (i32.eq (i32.const @INIT@) (i32.const 4)) ;; hoards, and fails as it gets no more
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (unreachable)))
    (call $outcome (i32.const @INIT@)))
  (func (export "airswasm:component/lifecycle@0.1.0#shutdown"))
  (func (export "airswasm:component/health@0.1.0#check") (result i32)
    (if (i32.eq (i32.const @HEALTH@) (i32.const 2)) (then (unreachable)))
    (if (i32.eq (i32.const @HEALTH@) (i32.const 3)) (then (loop $forever (br $forever))))
    (if (i32.eq (i32.const @HEALTH@) (i32.const 4)) ;; only the second check fails
      (then
        (global.set $checks (i32.add (global.get $checks) (i32.const 1)))
        (return (call $outcome (i32.eq (global.get $checks) (i32.const 2))))))
    (call $outcome (i32.const @HEALTH@)))
  ;; keeps the version it was given under "migrated"
  (func (export "airswasm:component/migration@0.1.0#migrate") (param i32 i32) (result i32)
    (call $set (i32.const 96) (i32.const 8) (local.get 0) (local.get 1) (i32.const 160))
    (call $outcome (i32.const @MIGRATE@))))
