/*
 * Time and randomness, which tests and the teaching lab can move. All times
 * are microseconds in an int64_t. The monotonic clock drives timers, the wall clock
 * is what is stored and shown.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define SECOND	((int64_t)1000000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)

int64_t	clock_mono(void);
int64_t	clock_wall(void);

/*
 * From now on both clocks stand still and are moved by hand; mono starts at 0.
 * clock_step_wall moves only the wall clock (a clock that is set).
 */
void	clock_virtual(int64_t wall);
void	clock_advance(int64_t by);
void	clock_step_wall(int64_t by);

/* Unpredictable bytes (getrandom); with a seed set, a repeatable sequence for tests. */
void	clock_random_bytes(void *, size_t);
uint64_t clock_random(void);
void	clock_seed(uint64_t seed);

#endif
