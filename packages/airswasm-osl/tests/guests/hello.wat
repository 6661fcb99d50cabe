;; A web service by messages: it replies with one text, whatever it is asked. It needs nothing.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 64) "hello, world\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (i32.const 1))
      (i32.store (i32.const 24) (i32.const 64))
      (i32.store (i32.const 28) (i32.const 13))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (type $handle (func (param "sender" string) (param "topic" (option string))
    (param "payload" (list u8)) (result (result (option (list u8)) (error string)))))
  (func $handle (type $handle) (canon lift (core func $i "handle")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $handler (export "handle-message" (func $handle)))
  (export "airswasm:component/handler@0.1.0" (instance $handler)))
