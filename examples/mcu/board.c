/* Starts QEMU's mps2-an386 and talks to QEMU by semihosting. On a board of your own this
 * is what its vendor's files do. */
#include "board.h"

extern uint32_t stack_bottom[], stack_top[], bss_begin[], bss_end[];
extern const uint32_t data_stored[];
extern uint32_t data_begin[], data_end[];

int main(void);

enum { WRITE = 4, EXIT = 0x20 };
static const uint32_t UNUSED = 0xA5A5A5A5;

static uint32_t ask_host(uint32_t what, const void *argument)
{
    register uint32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(uint32_t status)
{
    const uint32_t application_exit[2] = {0x20026, status};
    ask_host(EXIT, application_exit);
    for (;;)
        ;
}

static void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = stack_bottom; to < (uint32_t *)__builtin_frame_address(0) - 16;)
        *to++ = UNUSED;
    for (uint32_t *to = bss_begin; to < bss_end;)
        *to++ = 0;
    const uint32_t *from = data_stored;
    for (uint32_t *to = data_begin; to < data_end;)
        *to++ = *from++;
    leave((uint32_t)main());
}

static void fault(void)
{
    print("fault\n");
    leave(99);
}

extern const void *const vectors[];
__attribute__((section(".vectors"))) const void *const vectors[16] = {
    stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0,
    fault,     fault};

void print(const char *text)
{
    ask_host(WRITE, text);
}

void print_number(uint32_t number)
{
    char digits[11], *at = digits + sizeof digits - 1;
    *at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    print(at);
}

void print_hex(uint32_t number)
{
    char digits[9];
    digits[8] = 0;
    for (int i = 8; i--; number >>= 4)
        digits[i] = "0123456789abcdef"[number & 15];
    print(digits);
}

uint32_t ticks(void)
{
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
    enum { CONTROL, RELOAD, VALUE, WIDEST = (1 << 24) - 1 };
    const uint32_t passed = WIDEST - systick[VALUE];
    systick[RELOAD] = WIDEST;
    systick[CONTROL] = 5; /* the processor's clock, no interrupt */
    systick[VALUE] = 0;   /* whatever is written starts it anew */
    return passed;
}

size_t stack_used(void)
{
    const uint32_t *at = stack_bottom;
    while (*at == UNUSED)
        at++;
    return (size_t)((const char *)stack_top - (const char *)at);
}

/* What the decoder calls of a C library; most boards come with one. */
void *memcpy(void *to, const void *from, size_t n)
{
    char *out = to;
    for (const char *in = from; n--;)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    for (char *out = to; n--;)
        *out++ = (char)byte;
    return to;
}
