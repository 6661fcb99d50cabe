/* A guest that uses the host's resource `file` and defines its own, `counter`. */
#include <stddef.h>
#include <stdint.h>

#define FILES(name) __attribute__((import_module("test:res/files"), import_name(name)))
#define OWN(name) __attribute__((import_module("[export]test:res/counters"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

FILES("[constructor]file") int32_t file_new(const char *name, size_t size);
FILES("[method]file.read") void file_read(int32_t file, void *text);
FILES("[static]file.open") int32_t file_open(const char *name, size_t size);
FILES("[resource-drop]file") void file_drop(int32_t file);
FILES("close") void files_close(int32_t file, void *text);
FILES("same") int32_t files_same(int32_t a, int32_t b);
OWN("[resource-new]counter") int32_t counter_handle(uint32_t *counter);
OWN("[resource-drop]counter") void counter_drop(int32_t counter);
OWN("[resource-rep]counter") uint32_t *counter_rep(int32_t counter);

static unsigned char heap[1 << 16];
static size_t top = 0;
static uint32_t words[4], dropped = 0;
static int32_t kept;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  top = (top + align - 1) & ~(align - 1);
  void *block = heap + top;
  top += size;
  if (top > sizeof heap) __builtin_trap();
  return block;
}

EXPORT("use-file") void *use_file(const char *name, size_t size) {
  int32_t file = file_new(name, size);
  file_read(file, words);
  file_drop(file);
  return words;
}
EXPORT("keep") void keep(const char *name, size_t size) { kept = file_open(name, size); }
EXPORT("drop-kept") void drop_kept(void) { file_drop(kept); }
EXPORT("close-kept") void *close_kept(void) {
  files_close(kept, words);
  return words;
}
EXPORT("twice") int32_t twice(const char *name, size_t size) {
  int32_t file = file_new(name, size);
  int32_t same = files_same(file, file);
  file_drop(file);
  return same;
}
EXPORT("make") int32_t make(const char *name, size_t size) { return file_new(name, size); }
EXPORT("accept") void *accept_file(int32_t file) {
  file_read(file, words);
  file_drop(file);
  return words;
}
EXPORT("look") void *look(int32_t file) {
  file_read(file, words);
  file_drop(file);
  return words;
}

static uint32_t counters[64], used = 0;
EXPORT("test:res/counters#[constructor]counter") int32_t counter_new(uint32_t start) {
  counters[used] = start;
  return counter_handle(&counters[used++]);
}
EXPORT("test:res/counters#[method]counter.bump") uint32_t counter_bump(uint32_t *counter) {
  return ++*counter;
}
EXPORT("test:res/counters#[dtor]counter") void counter_dtor(uint32_t *counter) { dropped++; }
EXPORT("test:res/counters#take") uint32_t take(int32_t counter) {
  uint32_t value = *counter_rep(counter);
  counter_drop(counter);
  return value;
}
EXPORT("test:res/counters#dropped") uint32_t dropped_so_far(void) { return dropped; }
