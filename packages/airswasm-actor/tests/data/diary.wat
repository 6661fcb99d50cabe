;; A component that exports the whole contract and keeps a diary: one letter for each call.
;; i(nit) m(igrate) c(allback) f(ailed callback) h(ealth) s(hutdown), or the message's first byte.
;; That byte says what to do: d: reply with the diary; t: trap; s: spin; w: wait at the gate;
;; a: ask whom the rest names; u: be unwell; x: trap at the next health check;
;; n, N: never end the shutdown, computing or waiting; else reply with the message.
(module
  (import "airswasm:component/gate@0.1.0" "wait" (func $wait))
  (import "airswasm:component/gate@0.1.0" "ask" (func $ask (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 64) "as it was told")
  (data (i32.const 96) "unwell")
  (data (i32.const 112) "too old")
  (global $free (mut i32) (i32.const 4096))
  (global $lines (mut i32) (i32.const 0)) ;; the diary is at 512
  (global $mood (mut i32) (i32.const 0))  ;; the last of u, x, n and N

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $note (param $letter i32)
    (i32.store8 (i32.add (i32.const 512) (global.get $lines)) (local.get $letter))
    (global.set $lines (i32.add (global.get $lines) (i32.const 1))))

  ;; result<option<list<u8>>, string> and result<_, string>, at 128
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
  (func $fine (result i32)
    (i32.store (i32.const 128) (i32.const 0))
    (i32.const 128))

  (func (export "airswasm:component/handler@0.1.0#handle-message")
      (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32) (result i32)
    (local $first i32)
    (if (i32.eqz (local.get $length))
      (then (return (call $reply (local.get $at) (i32.const 0)))))
    (local.set $first (i32.load8_u (local.get $at)))
    (call $note (local.get $first))
    (if (i32.eq (local.get $first) (i32.const 100)) ;; d
      (then (return (call $reply (i32.const 512) (global.get $lines)))))
    (if (i32.eq (local.get $first) (i32.const 116)) (then (unreachable))) ;; t
    (if (i32.eq (local.get $first) (i32.const 115)) (then (loop $l (br $l)))) ;; s
    (if (i32.eq (local.get $first) (i32.const 119)) (then (call $wait))) ;; w
    (if (i32.eq (local.get $first) (i32.const 97)) ;; a
      (then
        (call $ask (i32.add (local.get $at) (i32.const 1))
          (i32.sub (local.get $length) (i32.const 1)) (i32.const 160))
        (if (i32.load8_u (i32.const 160))
          (then (return (call $refuse (i32.load (i32.const 164)) (i32.load (i32.const 168))))))))
    (if (i32.or
          (i32.or (i32.eq (local.get $first) (i32.const 117)) (i32.eq (local.get $first) (i32.const 120)))
          (i32.or (i32.eq (local.get $first) (i32.const 110)) (i32.eq (local.get $first) (i32.const 78))))
      (then (global.set $mood (local.get $first)))) ;; u x n N
    (call $reply (local.get $at) (local.get $length)))
  (func (export "cabi_post_airswasm:component/handler@0.1.0#handle-message") (param i32)
    (global.set $free (i32.const 4096)))

  ;; {"do": "..."}: r(efuse), t(rap), s(pin)
  (func (export "airswasm:component/lifecycle@0.1.0#init")
      (param $at i32) (param $length i32) (result i32)
    (local $what i32)
    (call $note (i32.const 105))
    (if (i32.gt_u (local.get $length) (i32.const 8))
      (then (local.set $what (i32.load8_u offset=8 (local.get $at)))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 115)) (then (loop $l (br $l))))
    (if (i32.eq (local.get $what) (i32.const 114))
      (then (return (call $refuse (i32.const 64) (i32.const 14)))))
    (call $fine))
  (func (export "airswasm:component/lifecycle@0.1.0#shutdown")
    (call $note (i32.const 115))
    (if (i32.eq (global.get $mood) (i32.const 110)) (then (loop $l (br $l))))
    (if (i32.eq (global.get $mood) (i32.const 78)) (then (call $wait))))

  ;; the id, then: is-err, is-some or the error's case, two words; the id 13 traps
  (func (export "airswasm:component/callbacks@0.1.0#handle-callback")
      (param $id i64) (param $is_err i32) (param i32 i32 i32)
    (if (i64.eq (local.get $id) (i64.const 13)) (then (unreachable)))
    (call $note (if (result i32) (local.get $is_err) (then (i32.const 102)) (else (i32.const 99)))))

  (func (export "airswasm:component/health@0.1.0#check") (result i32)
    (call $note (i32.const 104))
    (if (i32.eq (global.get $mood) (i32.const 120)) (then (unreachable)))
    (if (i32.eq (global.get $mood) (i32.const 117))
      (then (return (call $refuse (i32.const 96) (i32.const 6)))))
    (call $fine))

  ;; from a version that begins with 0 it refuses, from one that begins with t it traps
  (func (export "airswasm:component/migration@0.1.0#migrate")
      (param $at i32) (param $length i32) (result i32)
    (call $note (i32.const 109))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 48))
      (then (return (call $refuse (i32.const 112) (i32.const 7)))))
    (call $fine)))
