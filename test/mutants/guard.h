/*
 * guard.h
 *		What test/mutants/run puts around every guard of the sources.
 *
 * Not part of noetl: the compiler includes it in a copy of the tree, where
 * guards.py has written the calls of mutants_guard().  The file NOETL_MUTANTS is
 * shared by all processes; its first bytes name the guard that is removed, the
 * byte of a guard says whether its removal has ever made a difference.
 */
#ifndef NOETL_GUARD_H
#define NOETL_GUARD_H

/* Before the first header of the system, as the sources have it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct mutants_file
{
	volatile int removed;		/* the number of a guard; 0: none */
	volatile unsigned char seen[NOETL_MUTANTS_GUARDS];
};

/* Every object has one; the linker keeps one for a library or program. */
__attribute__((weak, visibility("hidden"))) struct mutants_file *mutants_file;

/* Maps the file when the library or program is loaded; without it, nothing is removed. */
__attribute__((constructor)) static void
mutants_open(void)
{
	static struct mutants_file none;
	int			fd;

	if (mutants_file != NULL)
		return;
	mutants_file = &none;
	fd = open(NOETL_MUTANTS, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
	{
		void	   *file = mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (file != MAP_FAILED)
			mutants_file = file;
		close(fd);
	}
}

/*
 * Returns the value of a guard, or the neutral one if the guard is removed; notes
 * when these differ.
 */
__attribute__((unused)) static inline int
mutants_guard(int number, int value, int neutral)
{
	if (value != neutral)
	{
		mutants_file->seen[number] = 1;
		if (mutants_file->removed == number)
			return neutral;
	}
	return value;
}

#endif
