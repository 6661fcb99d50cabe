;; Components that do not get through their start.
(assert_trap
  (component (core module $m (func $s unreachable) (start $s)) (core instance (instantiate $m)))
  "unreachable")
(assert_trap
  (component (core module $m (func $s (loop $l (br $l))) (start $s)) (core instance (instantiate $m)))
  "fuel")
(assert_trap
  (component (core module $m (memory 1) (data (i32.const 65536) "a")) (core instance (instantiate $m)))
  "out of bounds")
(assert_trap
  (component
    (core module $m (table 1 funcref) (func $f) (elem (i32.const 1) $f))
    (core instance (instantiate $m)))
  "out of bounds")
(assert_trap
  (component (core module $m (memory 10000)) (core instance (instantiate $m)))
  "memory")
(assert_trap
  (component (core module $m (table 1000000 funcref)) (core instance (instantiate $m)))
  "table")
(assert_trap
  (component
    (component $inner
      (core module $m (func $s (i32.store (i32.const 0) (i32.const 0))) (memory 0) (start $s))
      (core instance (instantiate $m)))
    (instance (instantiate $inner)))
  "out of bounds")
;; the second instance of three
(assert_trap
  (component
    (core module $m (import "" "n" (global i32)) (func $s
      (drop (i32.div_u (i32.const 1) (global.get 0)))) (start $s))
    (core module $n (global (export "n") i32 (i32.const 1)))
    (core module $z (global (export "n") i32 (i32.const 0)))
    (core instance $one (instantiate $n))
    (core instance $zero (instantiate $z))
    (core instance (instantiate $m (with "" (instance $one))))
    (core instance (instantiate $m (with "" (instance $zero))))
    (core instance (instantiate $m (with "" (instance $one)))))
  "divide by zero")
