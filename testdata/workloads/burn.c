/* Burns CPU in one function, three calls deep. HOT names it: shares of a profile are compared with CPU times. */
#ifndef HOT
#define HOT hot
#endif
#define NOINLINE __attribute__((noinline, noclone))

volatile unsigned long sink;

NOINLINE void HOT(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		sink += i * i;
}

NOINLINE void middle(unsigned long count)
{
	HOT(count);
	sink++;
}

int main(void)
{
	for (;;)
		middle(1000000);
}
