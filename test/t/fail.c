/*
 * test/t/fail.c
 *		Preloaded into a program, makes the call that FAIL_CALL names fail, as it does when the
 *		system has no more of something.  Of waitpid the process is waited for nevertheless.
 *		OTHER_PROGRAM is what posix_spawn starts in the place of any program.  Of the functions
 *		of libpq only one call fails, that with the number FAIL_NTH.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int
fails(const char *call)
{
	const char *name = getenv("FAIL_CALL");

	errno = EMFILE;
	return name != NULL && strcmp(name, call) == 0;
}

int
memfd_create(const char *name, unsigned int flags)
{
	int			(*next) (const char *, unsigned int) = dlsym(RTLD_NEXT, "memfd_create");

	return fails("memfd_create") ? -1 : next(name, flags);
}

off_t
lseek(int file, off_t offset, int whence)
{
	off_t		(*next) (int, off_t, int) = dlsym(RTLD_NEXT, "lseek");

	return fails("lseek") ? -1 : next(file, offset, whence);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run) (void *),
			   void *argument)
{
	int			(*next) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");

	return fails("pthread_create") ? EAGAIN : next(thread, attributes, run, argument);
}

int
pipe2(int files[2], int flags)
{
	int			(*next) (int *, int) = dlsym(RTLD_NEXT, "pipe2");

	return fails("pipe2") ? -1 : next(files, flags);
}

int
posix_spawn(pid_t *process, const char *path, const posix_spawn_file_actions_t *files,
			const posix_spawnattr_t *attributes, char *const arguments[], char *const variables[])
{
	int			(*next) (pid_t *, const char *, const posix_spawn_file_actions_t *,
						 const posix_spawnattr_t *, char *const *, char *const *) =
		dlsym(RTLD_NEXT, "posix_spawn");

	if (getenv("OTHER_PROGRAM") != NULL)
		path = getenv("OTHER_PROGRAM");
	return fails("posix_spawn") ? EAGAIN :
		next(process, path, files, attributes, arguments, variables);
}

pid_t
waitpid(pid_t process, int *status, int options)
{
	pid_t		(*next) (pid_t, int *, int) = dlsym(RTLD_NEXT, "waitpid");
	pid_t		found = next(process, status, options);

	return fails("waitpid") ? -1 : found;
}

/* Whether a call of a function of libpq fails. */
static int
fails_now(const char *call)
{
	static int	calls;

	return fails(call) && ++calls == atoi(getenv("FAIL_NTH"));
}

typedef struct pg_conn PGconn;

#define ONE_ARGUMENT(name, failure) \
	int name(PGconn *conn) \
	{ \
		int			(*next) (PGconn *) = dlsym(RTLD_NEXT, #name); \
\
		return fails_now(#name) ? failure : next(conn); \
	}

ONE_ARGUMENT(PQenterPipelineMode, 0)
ONE_ARGUMENT(PQexitPipelineMode, 0)
ONE_ARGUMENT(PQpipelineSync, 0)
ONE_ARGUMENT(PQconsumeInput, 0)
ONE_ARGUMENT(PQflush, -1)

int
PQsendQuery(PGconn *conn, const char *query)
{
	int			(*next) (PGconn *, const char *) = dlsym(RTLD_NEXT, "PQsendQuery");

	return fails_now("PQsendQuery") ? 0 : next(conn, query);
}

int
PQsendPrepare(PGconn *conn, const char *name, const char *query, int count, const void *types)
{
	int			(*next) (PGconn *, const char *, const char *, int, const void *) =
		dlsym(RTLD_NEXT, "PQsendPrepare");

	return fails_now("PQsendPrepare") ? 0 : next(conn, name, query, count, types);
}

int
PQsendQueryPrepared(PGconn *conn, const char *name, int count, const char *const *values,
					const int *lengths, const int *formats, int format)
{
	int			(*next) (PGconn *, const char *, int, const char *const *, const int *,
						 const int *, int) = dlsym(RTLD_NEXT, "PQsendQueryPrepared");

	return fails_now("PQsendQueryPrepared") ? 0 :
		next(conn, name, count, values, lengths, formats, format);
}

int
PQsendQueryParams(PGconn *conn, const char *query, int count, const void *types,
				  const char *const *values, const int *lengths, const int *formats, int format)
{
	int			(*next) (PGconn *, const char *, int, const void *, const char *const *,
						 const int *, const int *, int) = dlsym(RTLD_NEXT, "PQsendQueryParams");

	return fails_now("PQsendQueryParams") ? 0 :
		next(conn, query, count, types, values, lengths, formats, format);
}
