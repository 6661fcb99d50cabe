/* A guest whose destructor does what the kind of its thing says. */
#include <stddef.h>
#include <stdint.h>

#define OWN(name) __attribute__((import_module("[export]test:droppy/things"), import_name(name)))
#define EXPORT(name) __attribute__((export_name("test:droppy/things#" name)))
enum { COUNTS, TRAPS, SPINS, WAITS };

__attribute__((import_module("test:droppy/host"), import_name("wait"))) uint32_t wait(uint32_t ms);
OWN("[resource-new]thing") int32_t thing_handle(uint32_t kind);
OWN("[resource-drop]thing") void thing_drop(int32_t thing);

static uint32_t dropped = 0, words[2];

EXPORT("[constructor]thing") int32_t thing_new(uint32_t kind) { return thing_handle(kind); }
EXPORT("[method]thing.name") void *thing_name(uint32_t kind) {
  words[0] = (uint32_t) "thing";
  words[1] = 5;
  return words;
}
EXPORT("[dtor]thing") void thing_dtor(uint32_t kind) {
  dropped++;
  switch (kind) {
    case TRAPS:
      __builtin_trap();
    case SPINS:
      for (;;) __asm__ volatile("");
    case WAITS:
      dropped += wait(1);
  }
}
EXPORT("both") uint32_t both(int32_t one, int32_t two) {
  thing_drop(one);
  thing_drop(two);
  return dropped;
}
EXPORT("join") uint32_t join(int32_t one, uint32_t number) {
  thing_drop(one);
  return number;
}
EXPORT("dropped") uint32_t dropped_so_far(void) { return dropped; }
