/* What main.c asks of a board. board.c has it for QEMU's mps2-an386, a Cortex-M4F. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

void print(const char *text);
void print_number(uint32_t number);
void print_hex(uint32_t number); /* eight digits */

/* Ticks of the timer since the last call, below 1 << 24. QEMU runs an instruction in a
 * nanosecond (-icount shift=0), and the timer ticks 25 times in a microsecond. */
enum { INSTRUCTIONS_A_TICK = 40 };
uint32_t ticks(void);

/* The most bytes of the stack that were ever in use. */
size_t stack_used(void);

#endif
