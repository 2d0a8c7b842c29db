/*
 * test/t/clock.c
 *		A wall clock that is off, for a process that preloads this library.
 *
 * The file that CLOCK_FILE names has by how many microseconds, as text.  Other
 * clocks are not changed; with STEADY the clock that does not jump is the one that is
 * off, so that a process has waited for long.  libfaketime cannot be used: it fakes
 * nothing in a process that was forked by a signal handler, as those of PostgreSQL 15
 * are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifdef STEADY
#define IS_OFF(clock) ((clock) == CLOCK_MONOTONIC)
#else
#define IS_OFF(clock) ((clock) == CLOCK_REALTIME || (clock) == CLOCK_REALTIME_COARSE)
#endif

static char path[1024];

/* Reads the name of the file: the server moves its environment later. */
static void __attribute__((constructor))
begin(void)
{
	const char *name = getenv("CLOCK_FILE");

	for (size_t i = 0; name != NULL && name[i] != '\0' && i < sizeof(path) - 1; i++)
		path[i] = name[i];
}

/* Returns by how many microseconds the clock is off. */
static long long
offset(void)
{
	char		text[64] = "";
	int			file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return 0;
	if (read(file, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(file);
	return atoll(text);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int	(*real) (clockid_t, struct timespec *);
	int			result;

	if (real == NULL)
		real = (int (*) (clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, now);
	if (result == 0 && IS_OFF(clock))
	{
		long long	us = now->tv_sec * 1000000LL + now->tv_nsec / 1000 + offset();

		now->tv_sec = us / 1000000;
		now->tv_nsec = us % 1000000 * 1000 + now->tv_nsec % 1000;
	}
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;
	int			result = clock_gettime(CLOCK_REALTIME, &precise);

	(void) zone;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return result;
}

time_t
time(time_t *seconds)
{
	struct timespec precise;

	(void) clock_gettime(CLOCK_REALTIME, &precise);
	if (seconds != NULL)
		*seconds = precise.tv_sec;
	return precise.tv_sec;
}
