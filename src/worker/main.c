/*
 * main.c
 *		noetl-worker: leases tasks from the broker in a PostgreSQL database,
 *		executes them and reports how they ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "environment.h"
#include "concurrency.h"
#include "log.h"
#include "options.h"
#include "secret.h"
#include "signals.h"
#include "tool.h"
#include "worker.h"

/*
 * Opens what is closed of stdin, stdout and stderr: otherwise a socket could
 * become descriptor 2 and the log would be written into it.
 */
static void
open_standard_descriptors(void)
{
	int			fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/*
 * Keeps other processes of this user, such as the programs of playbooks, from
 * reading the memory and the environment of the worker, which have credentials.
 */
static void
protect_memory(void)
{
#ifdef __linux__
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* Keeps the passwords of the worker's own connections out of the log. */
static void
remember_secrets(void)
{
	const char *const texts[] = {options.conninfo, options.postgres_conninfo};
	const char *password = environment_value("PGPASSWORD");

	for (int i = 0; i < 2; i++)
	{
		if (strpbrk(texts[i], "=:") != NULL)
			secret_remember_credential(texts[i]);
	}
	if (password != NULL)
		secret_remember(password);
}

/* Reads --concurrency; returns false, with a line in the log, when it is wrong. */
static bool
read_limits(void)
{
	StringBuf	error = {0};
	bool		ok = concurrency_init(&error);

	if (!ok)
		log_line(LOG_ALWAYS, "%s", error.data);
	sb_free(&error);
	return ok;
}

/* Reads the command line and runs what it asks for. */
int
main(int argc, char **argv)
{
	open_standard_descriptors();
	protect_memory();
	environment_hide();
	parse_options(argc, argv);
	remember_secrets();
	if (!tools_init() || !read_limits())
		return 2;
	install_signals();
	if (options.helper)
		return run_helper();
	if (options.command == NULL && options.nconnections > 1 && options.connection == 0)
		return run_supervisor();
	if (options.command == NULL || options.desk_worker)
		return run_worker();
	return run_desk();
}
