// A qemu plugin: how many AArch64 instructions run between two marks, and how many of them
// compute in vector or floating-point registers. One "total vector" line per pair of marks, into
// the file that out=PATH names.
//
// A mark is a hint that no CPU knows, which the architecture defines to do nothing (see mark.c).
// For one guest thread at a time: the counters are not atomic.
//
// Debian ships no header for the plugins of qemu 7.2, hence the declarations.
// Source: QEMU TCG Plugins, API version 1; Arm ARM DDI 0487, C4.1.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { kNoRegisters = 0, kAdd64 = 0 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn*,
                                            void (*)(unsigned cpu, void* data), int, void*);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn*, int, void*, uint64_t);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { kStart = 64, kStop = 80 };
static uint64_t total, vector, total_at_start, vector_at_start;
static FILE* out;

static void start(unsigned cpu, void* data) {
  (void)cpu, (void)data;
  total_at_start = total;
  vector_at_start = vector;
}

static void stop(unsigned cpu, void* data) {
  (void)cpu, (void)data;
  fprintf(out, "%llu %llu\n", (unsigned long long)(total - total_at_start),
          (unsigned long long)(vector - vector_at_start));
  fflush(out);  // qemu leaves without closing files when the guest is killed
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(block);
  for (size_t i = 0; i < count; ++i) {
    struct qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
    if ((word & 0xfffff01f) == 0xd503201f) {  // HINT #number
      const unsigned number = (word >> 5) & 0x7f;
      if (number == kStart || number == kStop)
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, number == kStart ? start : stop,
                                               kNoRegisters, NULL);
    }
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, kAdd64, &total, 1);
    if (((word >> 25) & 7) == 7)  // data processing: scalar floating point and Advanced SIMD
      qemu_plugin_register_vcpu_insn_exec_inline(instruction, kAdd64, &vector, 1);
  }
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const struct qemu_info* info,
                                                               int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i)
    if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
  if (out == NULL) {
    fprintf(stderr, "count: cannot write to the file; the plugin takes out=PATH\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
