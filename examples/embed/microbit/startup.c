/* A BBC micro:bit (nRF51822: Cortex-M0, 256 KB of flash, 16 KB of RAM) from reset to main. */
#include <stdint.h>

#include "board.h"

extern uint32_t stack_top, data_source, data_begin, data_end, bss_begin, bss_end;

int main(void);
void reset(void);
static void fault(void) { for (;;) {} }

typedef void (*handler)(void);

/* The processor reads the first two words at reset; this program uses no interrupts. */
__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack;
  handler handlers[15];
} vectors = {&stack_top, {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault,
                          fault, fault, fault, fault, fault}};

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART 0x40002000u
#define TX_PIN 24u

/* The USB socket's serial line, 115,200 baud. */
static void start_serial(void) {
  REGISTER(UART + 0x50Cu) = TX_PIN;
  REGISTER(UART + 0x524u) = 0x01D7E000u;
  REGISTER(UART + 0x500u) = 4u; /* on */
  REGISTER(UART + 0x008u) = 1u; /* transmit */
}

void put_text(const char *text) {
  for (; *text != 0; text++) {
    REGISTER(UART + 0x11Cu) = 0u;
    REGISTER(UART + 0x51Cu) = (uint8_t)*text;
    while (REGISTER(UART + 0x11Cu) == 0u) {}
  }
}

void put_number(int number) {
  char digits[12];
  unsigned rest = number < 0 ? 0u - (unsigned)number : (unsigned)number;
  int place = 11;
  digits[place] = 0;
  do {
    digits[--place] = (char)('0' + rest % 10u);
    rest /= 10u;
  } while (rest != 0u);
  if (number < 0) digits[--place] = '-';
  put_text(digits + place);
}

void reset(void) {
  const uint32_t *from = &data_source;
  uint32_t *to;
  for (to = &data_begin; to < &data_end; to++) *to = *from++;
  for (to = &bss_begin; to < &bss_end; to++) *to = 0u;
  start_serial();
  main();
#if defined(EMULATED)
  { /* asks QEMU to end (semihosting: SYS_EXIT, all is well) */
    register uint32_t operation __asm__("r0") = 0x18u;
    register uint32_t reason __asm__("r1") = 0x20026u;
    __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(reason) : "memory");
  }
#endif
  for (;;) {}
}
