/* A plugin: functions of its own with every kind of type, and a resource; `handler` if HANDLER. */
#include <stddef.h>
#include <stdint.h>

#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef INTERFACE
#define INTERFACE "1.0.0"
#endif
#define T(name) __attribute__((export_name("acme:plugin/transform@" INTERFACE "#" name)))
#define C(name) __attribute__((export_name("acme:plugin/counters@" INTERFACE "#" name)))
#define OWN(name) \
  __attribute__((import_module("[export]acme:plugin/counters@" INTERFACE), import_name(name)))

OWN("[resource-new]counter") int32_t counter_handle(uint32_t *counter);

static unsigned char heap[1 << 18];
static size_t top = 0, kept = 0;
static uint64_t calls = 0;
static uint32_t dropped = 0;

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(
    void *old, size_t old_size, size_t align, size_t size) {
  top = (top + align - 1) & ~(align - 1);
  unsigned char *block = heap + top;
  top += size;
  if (top > sizeof heap) __builtin_trap();
  for (size_t i = 0; i < old_size; i++) block[i] = ((unsigned char *)old)[i];
  return block;
}
#define FREE(name) \
  __attribute__((export_name("cabi_post_" name)))
static void free_all(void) { top = kept; }

typedef struct { const char *at; size_t size; } text;
static uint32_t area[8];
static char made[4096];

static size_t put(size_t at, const char *from, size_t size) {
  for (size_t i = 0; i < size && at < sizeof made; i++) made[at++] = from[i];
  return at;
}

/* text: ptr, len; times; tags: ptr, len; note: is, ptr, len */
T("run") void *run(const char *at, size_t size, uint32_t times, text *tags, size_t tagged,
                   int32_t is_noted, const char *note, size_t noted) {
  calls++;
  if (times == 0) {
    static const char why[] = "nothing to do";
    area[0] = 1, area[1] = (uint32_t)why, area[2] = sizeof why - 1;
    return area;
  }
  size_t end = 0;
  for (uint32_t i = 0; i < times; i++) end = put(end, at, size);
  for (size_t i = 0; i < tagged; i++) end = put(put(end, " #", 2), tags[i].at, tags[i].size);
  if (is_noted) end = put(put(end, ": ", 2), note, noted);
  area[0] = 0, area[1] = (uint32_t)made, area[2] = (uint32_t)end;
  return area;
}
FREE("acme:plugin/transform@" INTERFACE "#run") void run_done(void *r) { free_all(); }

static struct { uint8_t is; double value; } found;
T("area") void *shape_area(int32_t shape, int64_t bits, int32_t size) {
  calls++;
  union { int64_t bits; double number; } radius = {bits};
  found.is = shape == 1;
  found.value = 3.0 * radius.number * radius.number;
  free_all();
  return &found;
}
T("sum") int64_t sum(const int64_t *numbers, size_t count) {
  int64_t total = 0;
  calls++;
  for (size_t i = 0; i < count; i++) total += numbers[i];
  free_all();
#ifdef DEFECT_SUM
  total += count == 2;
#endif
  return total;
}
T("mirror") void *mirror(unsigned char *data, size_t size) {
  calls++;
  for (size_t i = 0; i < size / 2; i++) {
    unsigned char kept_ = data[i];
    data[i] = data[size - 1 - i], data[size - 1 - i] = kept_;
  }
  area[0] = (uint32_t)data, area[1] = (uint32_t)size;
  return area;
}
FREE("acme:plugin/transform@" INTERFACE "#mirror") void mirror_done(void *r) { free_all(); }

static struct { uint8_t colour, rights; uint32_t letter; } mixed;
T("mix") void *mix(int32_t colour, int32_t rights, int32_t number, int32_t letter) {
  calls++;
  mixed.colour = !colour, mixed.rights = rights ^ 3, mixed.letter = letter + number;
  return &mixed;
}
T("count") int64_t count(void) { return (int64_t)calls; }
T("trap") void trap(void) { __builtin_trap(); }
T("spin") void spin(void) { for (volatile int i = 0;; i++); }
T("grow") int32_t grow(int32_t pages) { return __builtin_wasm_memory_grow(0, pages); }

static uint32_t counters[256], used = 0;
C("[constructor]counter") int32_t counter_new(uint32_t start) {
  counters[used % 256] = start;
  return counter_handle(&counters[used++ % 256]);
}
C("[method]counter.bump") uint32_t counter_bump(uint32_t *counter) { return ++*counter; }
C("[dtor]counter") void counter_dtor(uint32_t *counter) { dropped++; }
C("total") uint32_t counters_total(uint32_t *one, uint32_t *other) { return *one + *other; }
C("dropped") uint32_t counters_dropped(void) { return dropped; }

__attribute__((export_name("version"))) void *version(void) {
  static const char text_[] = VERSION;
  area[0] = (uint32_t)text_, area[1] = sizeof text_ - 1;
  return area;
}

#ifdef HANDLER
__attribute__((export_name("airswasm:component/handler@0.1.0#handle-message"))) void *handle(
    const char *sender, size_t sent, int32_t is_topic, const char *topic, size_t topics,
    const char *at, size_t size) {
  calls++;
  area[0] = 0, area[1] = 1, area[2] = (uint32_t)at, area[3] = (uint32_t)size;
  return area;
}
FREE("airswasm:component/handler@0.1.0#handle-message") void handle_done(void *r) { free_all(); }
#endif
