// A qemu plugin: how often the first guest thread ran each translated block between two marks
// (tests/arm/mark.c), and which of its memory accesses miss simulated caches.
//
//   out=PATH,l1=BYTES:WAYS,l2=BYTES:WAYS,l3=BYTES:WAYS,tlb=ENTRIES:WAYS,tlb2=ENTRIES:WAYS,page=BITS
//
// Caches have 64-byte lines, replace the least recently used and take in what is written. A level
// that is left out does not exist. A miss is "in order" where the line before or after it was among
// the last 32 lines that missed the first level: what a prefetcher of streams can have fetched.
//
// The file: one "# name value…" line a counter, then "count word word…" a block. A thread of the
// guest other than the first is not counted: with four threads this is the one that starts them,
// which takes the largest part of every loop that is split in advance.
//
// Debian ships no header for the plugins of qemu 7.2, hence the declarations.
// Source: QEMU TCG Plugins, API version 1; Arm ARM DDI 0487, C4.1.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { kNoRegisters = 0, kReadAndWrite = 3 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn*,
                                            void (*)(unsigned cpu, void* data), int, void*);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*,
                                          void (*)(unsigned cpu, void* data), int, void*);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn*,
                                      void (*)(unsigned cpu, qemu_plugin_meminfo_t, uint64_t,
                                               void*),
                                      int, int, void*);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void*), void*);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { kStart = 64, kStop = 80, kLevels = 3, kRecent = 32 };

typedef struct Block {
  uint64_t count;
  size_t size;
  uint32_t* words;
  struct Block* next;
} Block;

// Sets of `ways` entries, the most recently used first.
typedef struct {
  uint64_t sets, ways;
  uint64_t* entries;
} Cache;

static Block* blocks;
static Cache levels[kLevels], tlbs[2];
static unsigned page_bits = 12;
static bool counting;
static FILE* out;

static uint64_t accesses, misses[kLevels], disordered[kLevels], written[kLevels], tlb_misses[2];
static uint64_t last_line = UINT64_MAX, last_page = UINT64_MAX;
static uint64_t recent[kRecent];
static unsigned oldest;

static bool hit(Cache* cache, uint64_t key) {
  uint64_t* set = cache->entries + key % cache->sets * cache->ways;
  uint64_t way = 0;
  while (way < cache->ways && set[way] != key + 1) ++way;
  const bool is_hit = way < cache->ways;
  memmove(set + 1, set, (is_hit ? way : cache->ways - 1) * sizeof *set);
  set[0] = key + 1;
  return is_hit;
}

static bool in_order(uint64_t line) {
  bool result = false;
  for (unsigned i = 0; i < kRecent && !result; ++i)
    result = recent[i] + 1 == line || recent[i] == line + 1;
  recent[oldest] = line;
  oldest = (oldest + 1) % kRecent;
  return result;
}

static void accessed(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void* data) {
  (void)data;
  const uint64_t line = address >> 6, page = address >> page_bits;
  if (cpu != 0 || line == last_line) return;
  last_line = line;
  accesses += counting;
  if (page != last_page) {
    last_page = page;
    for (int i = 0; i < 2 && tlbs[i].sets && !hit(&tlbs[i], page); ++i) tlb_misses[i] += counting;
  }
  if (hit(&levels[0], line)) return;
  const bool ordered = in_order(line), is_store = qemu_plugin_mem_is_store(info);
  for (int i = 0; i < kLevels && levels[i].sets && (i == 0 || !hit(&levels[i], line)); ++i)
    if (counting) ++misses[i], disordered[i] += !ordered, written[i] += is_store;
}

static void entered(unsigned cpu, void* block) {
  if (cpu == 0 && counting) ++((Block*)block)->count;
}

static void start(unsigned cpu, void* data) {
  (void)data;
  if (cpu == 0) counting = true;
}

static void stop(unsigned cpu, void* data) {
  (void)data;
  if (cpu == 0) counting = false;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  Block* block = calloc(1, sizeof *block);
  block->size = qemu_plugin_tb_n_insns(tb);
  block->words = malloc(block->size * sizeof *block->words);
  for (size_t i = 0; i < block->size; ++i) {
    struct qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(tb, i);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
    block->words[i] = word;
    if ((word & 0xfffff01f) == 0xd503201f) {  // HINT #number
      const unsigned number = (word >> 5) & 0x7f;
      if (number == kStart || number == kStop)
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, number == kStart ? start : stop,
                                               kNoRegisters, NULL);
    }
    if (levels[0].sets)
      qemu_plugin_register_vcpu_mem_cb(instruction, accessed, kNoRegisters, kReadAndWrite, NULL);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(tb, entered, kNoRegisters, block);
  do block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&blocks, &block->next, block, false, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED));
}

static void line(const char* name, const uint64_t* values, int count) {
  fprintf(out, "# %s", name);
  for (int i = 0; i < count; ++i) fprintf(out, " %llu", (unsigned long long)values[i]);
  fputc('\n', out);
}

static void end(qemu_plugin_id_t id, void* data) {
  (void)id, (void)data;
  line("accesses", &accesses, 1);
  line("misses", misses, kLevels);
  line("disordered", disordered, kLevels);
  line("written", written, kLevels);
  line("tlb", tlb_misses, 2);
  for (const Block* block = blocks; block; block = block->next) {
    if (block->count == 0) continue;
    fprintf(out, "%llu", (unsigned long long)block->count);
    for (size_t i = 0; i < block->size; ++i) fprintf(out, " %08x", block->words[i]);
    fputc('\n', out);
  }
  fclose(out);
}

static void make(Cache* cache, const char* text, uint64_t unit) {
  char* colon;
  const uint64_t size = strtoull(text, &colon, 10);
  cache->ways = *colon == ':' ? strtoull(colon + 1, NULL, 10) : 0;
  if (cache->ways == 0 || (cache->sets = size / unit / cache->ways) == 0) {
    fprintf(stderr, "blocks: '%s' is no cache; the plugin takes BYTES:WAYS\n", text);
    exit(1);
  }
  cache->entries = calloc(cache->sets * cache->ways, sizeof *cache->entries);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const struct qemu_info* info,
                                                               int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    const char* value = strchr(argv[i], '=');
    const size_t size = value ? (size_t)(value++ - argv[i]) : 0;
    if (size == 3 && memcmp(argv[i], "out", 3) == 0)
      out = fopen(value, "w");
    else if (size == 4 && memcmp(argv[i], "page", 4) == 0)
      page_bits = (unsigned)atoi(value);
    else if (size == 3 && memcmp(argv[i], "tlb", 3) == 0)
      make(&tlbs[0], value, 1);
    else if (size == 4 && memcmp(argv[i], "tlb2", 4) == 0)
      make(&tlbs[1], value, 1);
    else if (size == 2 && argv[i][0] == 'l' && argv[i][1] >= '1' && argv[i][1] <= '3')
      make(&levels[argv[i][1] - '1'], value, 64);
    else
      fprintf(stderr, "blocks: no argument '%s'\n", argv[i]);
  }
  if (out == NULL) {
    fprintf(stderr, "blocks: cannot write to the file; the plugin takes out=PATH\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, end, NULL);
  return 0;
}
