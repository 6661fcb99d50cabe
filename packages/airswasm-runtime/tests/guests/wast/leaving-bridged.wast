;; The bridge calls a guest's `post-return` as a function of its own, so it may call out, as it must
;; not elsewhere. Without the bridge: leaving.wast.
(component definition $leaves
  (component $other
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func (export "f") (canon lift (core func $i "f"))))
  (instance $other (instantiate $other))
  (core func $out (canon lower (func $other "f")))
  (core module $m
    (import "" "out" (func $out))
    (memory (export "memory") 1)
    (func (export "none") (result i32) (i32.const 8))
    (func (export "after") (param i32) (call $out))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $out) (i32.const 64))
    (func (export "take") (param i32 i32)))
  (core instance $i (instantiate $m (with "" (instance (export "out" (func $out))))))
  (func (export "after") (result (list u8)) (canon lift (core func $i "none")
    (memory (core memory $i "memory")) (post-return (core func $i "after"))))
  (func (export "take") (param "v" (list u8)) (canon lift (core func $i "take")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "take-text") (param "v" string) (canon lift (core func $i "take")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
(component instance $c0 $leaves)
(assert_return (invoke "after") (list.const))
(assert_trap (invoke "take" (list.const (u8.const 1))) "cannot leave component instance")
