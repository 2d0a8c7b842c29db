/*
 * common/shmem.h
 *		Small named areas of shared memory, without shared_preload_libraries.
 *
 * The server reserves some shared memory beyond what it needs itself.  Other
 * extensions may have used it up, so a caller must work without its area too.
 */
#ifndef NOETL_COMMON_SHMEM_H
#define NOETL_COMMON_SHMEM_H

/*
 * Returns the area of that name, making it first if it does not exist; NULL when
 * no shared memory is left for it.  initialize is called once for a new area,
 * whose bytes are all zero.  It runs under a lock of the server's, so it must
 * only initialize locks and the like: it must not raise an error or wait.
 */
extern void *shared_area_attach(const char *name, Size size, void (*initialize) (void *area));

#endif							/* NOETL_COMMON_SHMEM_H */
