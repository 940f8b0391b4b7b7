/* Runs a network's self-test on an emulated board; prints the outputs that are wrong, the
 * instructions of one prediction and the bytes of stack it took. There is no variable with a value
 * from the start, so that nothing is copied. */
#include <stdint.h>

#include "net.h"

extern uint32_t stack_top, bss_end;
void reset(void);
static void fault(void) { for (;;) {} }

__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} vectors = {&stack_top, {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault,
                          fault, fault, fault, fault, fault}};

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define PAINT 0xA5A5A5A5u

static void ask_qemu(uint32_t operation, const void *argument) {
  register uint32_t first __asm__("r0") = operation;
  register const void *second __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(first) : "r"(second) : "memory");
}

static void print(uint32_t number) {
  char text[12];
  int place = 10;
  text[10] = ' ';
  text[11] = 0;
  do {
    text[--place] = (char)('0' + number % 10u);
    number /= 10u;
  } while (number != 0u);
  ask_qemu(4u, text + place);
}

/* With -icount shift=6 an instruction takes 64 ns of the board's time, which a timer counts. */
#if defined(MICROBIT) /* TIMER0 of the nRF51, 62.5 ns a tick */
static void start_timer(void) {
  REGISTER(0x40008508u) = 3u;
  REGISTER(0x40008510u) = 0u;
  REGISTER(0x40008000u) = 1u;
}
static uint32_t instructions(void) {
  REGISTER(0x40008040u) = 1u;
  return (uint32_t)((uint64_t)REGISTER(0x40008540u) * 125u / 128u);
}
#else /* the CMSDK timer, 40 ns a tick downwards */
static void start_timer(void) {
  REGISTER(0x40000008u) = 0xFFFFFFFFu;
  REGISTER(0x40000004u) = 0xFFFFFFFFu;
  REGISTER(0x40000000u) = 1u;
}
static uint32_t instructions(void) {
  return (uint32_t)((uint64_t)(0xFFFFFFFFu - REGISTER(0x40000004u)) * 5u / 8u);
}
#endif

static void __attribute__((noinline)) run(void) {
  static net_scratch scratch;
  static IMAGE image[NET_INPUTS];
  static OUTPUT outputs[NET_OUTPUTS];
  uint32_t *const end = (uint32_t *)__builtin_frame_address(0) - 32, *place;
  uint32_t before, after;
  for (place = &bss_end; place < end; place++) *place = PAINT;
  start_timer();
  before = instructions();
  net_predict(image, outputs, &scratch);
  after = instructions();
  for (place = &bss_end; *place == PAINT; place++) {}
  print((uint32_t)net_self_test(&scratch));
  print(after - before);
  print((uint32_t)((char *)(end + 32) - (char *)place));
}

void reset(void) {
#if defined(__ARM_FP)
  REGISTER(0xE000ED88u) |= 0xFu << 20; /* the FPU is on */
  __asm__ volatile("dsb\n isb");
#endif
  run();
  ask_qemu(0x18u, (const void *)0x20026u);
  for (;;) {}
}
