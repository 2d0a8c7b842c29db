/*
 * test/t/fail.c
 *		Preloaded into a program, makes the calls that FAIL_CALL names fail, as they do when the
 *		system has no more of something.  Of waitpid the process is waited for nevertheless.
 *		OTHER_PROGRAM is what posix_spawn starts in the place of any program.  Of the functions
 *		of libpq only one call fails, that with the number FAIL_NTH.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int
fails(const char *call)
{
	const char *name = getenv("FAIL_CALL");
	size_t		len = strlen(call);

	errno = EMFILE;
	while (name != NULL &&
		   (strncmp(name, call, len) != 0 || (name[len] != '\0' && name[len] != ',')))
		name = strchr(name, ',') != NULL ? strchr(name, ',') + 1 : NULL;
	return name != NULL;
}

/* The texts of messages need memory. */
int
vasprintf(char **text, const char *format, va_list values)
{
	int			(*next) (char **, const char *, va_list) = dlsym(RTLD_NEXT, "vasprintf");

	*text = (char *) 1;
	return fails("vasprintf") ? -1 : next(text, format, values);
}

int
vsnprintf(char *text, size_t size, const char *format, va_list values)
{
	int			(*next) (char *, size_t, const char *, va_list) = dlsym(RTLD_NEXT, "vsnprintf");

	return fails("vsnprintf") ? -1 : next(text, size, format, values);
}

/* "time": much of it passes between two looks at the clock. */
int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static time_t passed = 0;
	int			(*next) (clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int			result = next(clock, now);

	if (fails("time"))
		now->tv_sec += passed += 1000;
	return result;
}

/* "owner": files belong to somebody else; "root": to root, who this process is not. */
int
fstat(int file, struct stat *status)
{
	int			(*next) (int, struct stat *) = dlsym(RTLD_NEXT, "fstat");
	int			result = next(file, status);

	if (fails("owner"))
		status->st_uid = 54321;
	if (fails("root"))
		status->st_uid = 0;
	return result;
}

uid_t
geteuid(void)
{
	uid_t		(*next) (void) = dlsym(RTLD_NEXT, "geteuid");

	return fails("root") ? 12345 : next();
}

/* Handles of libcurl need memory. */
void *
curl_slist_append(void *list, const char *text)
{
	void	   *(*next) (void *, const char *) = dlsym(RTLD_NEXT, "curl_slist_append");

	return fails("curl_slist_append") ? NULL : next(list, text);
}

void *
curl_easy_init(void)
{
	void	   *(*next) (void) = dlsym(RTLD_NEXT, "curl_easy_init");

	return fails("curl_easy_init") ? NULL : next();
}

void *
curl_multi_init(void)
{
	void	   *(*next) (void) = dlsym(RTLD_NEXT, "curl_multi_init");

	return fails("curl_multi_init") ? NULL : next();
}

int
memfd_create(const char *name, unsigned int flags)
{
	int			(*next) (const char *, unsigned int) = dlsym(RTLD_NEXT, "memfd_create");

	return fails("memfd_create") ? -1 : next(name, flags);
}

/* "read": a file ends with an error. */
ssize_t
read(int file, void *buffer, size_t size)
{
	ssize_t		(*next) (int, void *, size_t) = dlsym(RTLD_NEXT, "read");
	ssize_t		result = next(file, buffer, size);

	if (result == 0 && fails("read"))
	{
		errno = EIO;
		return -1;
	}
	return result;
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
