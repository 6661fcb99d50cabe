/* A guest that does what each test asks: echo, add, spin, nap, relay, trap, recurse, hog. */
#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("test:probe/host"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("wait") uint32_t host_wait(uint32_t ms);
IMPORT("reflect") void host_reflect(const uint8_t *data, size_t size, void *result);
IMPORT("note") void host_note(const uint8_t *text, size_t size);

static unsigned char heap[3 << 20];
static size_t top = 0;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  top = (top + align - 1) & ~(align - 1);
  void *block = heap + top;
  top += size;
  if (top > sizeof heap) __builtin_trap();
  return block;
}

static uint32_t words[8];

EXPORT("test:probe/handler#handle-message")
void *handle_message(char *sender, size_t sender_size, int has_topic, char *topic,
                     size_t topic_size, uint8_t *payload, size_t size) {
  ((uint8_t *)words)[0] = 0; /* ok */
  ((uint8_t *)words)[4] = 1; /* some */
  words[2] = (uint32_t)payload;
  words[3] = size;
  return words;
}
EXPORT("cabi_post_test:probe/handler#handle-message") void after_handle(void *result) { top = 0; }

EXPORT("add") uint32_t add(uint32_t a, uint32_t b) { return a + b; }

EXPORT("spin") uint64_t spin(uint64_t rounds) {
  uint64_t x = 1;
  for (uint64_t i = 0; i < rounds; i++) {
    x = x * 6364136223846793005ULL + i;
    __asm__ volatile("" ::"r"(x));
  }
  return x;
}

EXPORT("nap") uint32_t nap(uint32_t ms) { return host_wait(ms); }

EXPORT("relay") void *relay(uint8_t *data, size_t size) {
  host_reflect(data, size, words);
  return words;
}
EXPORT("cabi_post_relay") void after_relay(void *result) { top = 0; }

EXPORT("shout") void shout(uint8_t *text, size_t size) {
  host_note(text, size);
  top = 0;
}

EXPORT("trap") void trap(void) { __builtin_trap(); }

EXPORT("recurse") __attribute__((noinline)) uint32_t recurse(uint32_t depth) {
  volatile uint32_t frame[64];
  frame[depth % 64] = depth;
  return depth == 0 ? frame[0] : recurse(depth - 1) + frame[depth % 64];
}

EXPORT("hog") int32_t hog(uint32_t pages) { return (int32_t)__builtin_wasm_memory_grow(0, pages); }
