/* Walks a plan on a Cortex-M4, with graphs that answer what was recorded.
 *
 * Prints a line per case: status, label, exit, MACs, blocks passed, bits of the
 * entropy, bytes of stack, then the path. micro_arm.py writes cases.h and the
 * .bin files.
 */
#include <stdint.h>
#include <string.h>

#include "cases.h"
#include "ddi_plan.h"

#define PAINT 0xa5u
#define PAINTED 8192

__asm__(".section .rodata\n"
        ".balign 4\n.global records\nrecords: .incbin \"records.bin\"\n"
        ".balign 4\n.global images\nimages: .incbin \"images.bin\"\n"
        ".previous\n");
extern const uint8_t records[], images[], stack_top[];

typedef struct {
    uint32_t graph, hash, bytes; /* the outputs follow, 4-byte aligned */
} record;

static float work[DDI_WORK_FLOATS];
static const uint8_t *next_record;

static int semihost(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print(uint32_t value)
{
    char text[12], *at = text + sizeof(text);
    *--at = 0;
    *--at = ' ';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    semihost(4 /* SYS_WRITE0 */, at);
}

static uint32_t hash(uint32_t value, const uint8_t *data, uint32_t bytes)
{
    while (bytes--) {
        value = (value ^ *data++) * 16777619u; /* FNV-1a */
    }
    return value;
}

/* Checks that the controller hands on what Python's did, and answers. */
static int replay(void *user, int graph, const ddi_input *inputs,
                  int input_count, const ddi_output *outputs, int output_count)
{
    const record *now = (const void *)next_record;
    const uint8_t *data = next_record + sizeof(record);
    uint32_t found = 2166136261u;
    int index;
    (void)user;
    for (index = 0; index < input_count; index++) {
        found = hash(found, inputs[index].data, inputs[index].bytes);
    }
    if ((uint32_t)graph != now->graph || found != now->hash) {
        return 1;
    }
    for (index = 0; index < output_count; index++) {
        memcpy(outputs[index].data, data, outputs[index].bytes);
        data += outputs[index].bytes;
    }
    next_record += sizeof(record) + (now->bytes + 3) / 4 * 4;
    return data - (const uint8_t *)now == (long)(sizeof(record) + now->bytes)
        ? 0 : 1;
}

/* Runs a case; returns the bytes of stack that ddi_classify used. */
static uint32_t __attribute__((noinline)) measured(
    const ddi_case *one, ddi_answer *answer, int *status)
{
    volatile uint8_t *here = __builtin_frame_address(0);
    volatile uint8_t *lowest;
    /* Below this frame, which is far smaller than 256 bytes. */
    for (lowest = here - PAINTED; lowest < here - 256; lowest++) {
        *lowest = PAINT;
    }
    next_record = records + one->record;
    *status = ddi_classify(&ddi_bundle_plan,
                           images + one->image * ddi_bundle_plan.image_bytes,
                           one->thresholds, one->max_macs, work, replay, 0,
                           answer);
    for (lowest = here - PAINTED; *lowest == PAINT; lowest++) {
    }
    return (uint32_t)(here - lowest);
}

static void run(void)
{
    unsigned int index;
    int step;
    for (index = 0; index < CASES; index++) {
        static ddi_groups path[DDI_STEPS + 1];
        ddi_answer answer = {.path = path};
        int status;
        uint32_t bits, stack = measured(&cases[index], &answer, &status);
        memcpy(&bits, &answer.entropy, sizeof(bits));
        print((uint32_t)-status);
        print((uint32_t)answer.label);
        print((uint32_t)answer.exit);
        print(answer.macs);
        print((uint32_t)answer.steps);
        print(bits);
        print(stack);
        for (step = 0; step < answer.steps; step++) {
            print((uint32_t)path[step]);
        }
        semihost(4, "\n");
    }
}

static void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: use the FPU */
    __asm__ volatile("dsb\n isb");
    run();
    semihost(0x18 /* SYS_EXIT */, (const void *)0x20026);
}

const void *const vectors[2] __attribute__((section(".vectors"), used)) = {
    stack_top, (const void *)reset};
