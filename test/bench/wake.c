/*
 * wake.c
 *		How long a task waits for an idle worker, and what idle workers cost.
 *
 *		wake latency WORKERS TASKS PER_SECOND	prints p50 and p99 in ms: from
 *												sending execute() to a worker's
 *												having the task in its hands
 *		wake idle WORKERS SECONDS				prints how often sleeping workers
 *												woke and what CPU they used (us)
 *
 * One thread serves all connections, so that one clock sees everything.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_WORKERS		64

typedef enum Doing
{
	WAITING,
	LEASING,
	COMPLETING
} Doing;

typedef struct Worker
{
	PGconn	   *connection;
	Doing		doing;
	char		name[16];
} Worker;

typedef struct Task
{
	char		execution_id[24];
	double		at;
} Task;

static Worker workers[MAX_WORKERS];
static int	nworkers;

/* Ends the program: a measurement that went wrong is none. */
static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "wake: %s: %s\n", what, why);
	exit(1);
}

/* Seconds on a clock that only goes forward. */
static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* A connection as libpq's environment says. */
static PGconn *
connect_database(void)
{
	PGconn	   *connection = PQconnectdb("dbname=bench");

	if (PQstatus(connection) != CONNECTION_OK)
		fail("connection", PQerrorMessage(connection));
	return connection;
}

/* Sends a statement whose answer is awaited in the loop. */
static void
send_query(PGconn *connection, const char *query)
{
	if (!PQsendQuery(connection, query) || PQflush(connection) != 0)
		fail(query, PQerrorMessage(connection));
}

/* Puts a worker to sleep. */
static void
sleep_worker(Worker *worker)
{
	worker->doing = WAITING;
	send_query(worker->connection, "CALL noetl.wait_for_work('10 min', '{bench}')");
}

/* Connects the workers, and waits until all of them sleep. */
static void
start_workers(int count)
{
	nworkers = count < MAX_WORKERS ? count : MAX_WORKERS;
	for (int i = 0; i < nworkers; i++)
	{
		snprintf(workers[i].name, sizeof(workers[i].name), "waker-%d", i);
		workers[i].connection = connect_database();
		sleep_worker(&workers[i]);
	}
	sleep(1);
}

/* The answer that has arrived, or NULL when it has not arrived in full. */
static PGresult *
take_answer(PGconn *connection)
{
	PGresult *answer;
	PGresult *next;

	if (!PQconsumeInput(connection))
		fail("connection", PQerrorMessage(connection));
	if (PQisBusy(connection))
		return NULL;
	answer = PQgetResult(connection);
	while ((next = PQgetResult(connection)) != NULL)
		PQclear(next);
	if (answer != NULL && PQresultStatus(answer) != PGRES_TUPLES_OK)
		fail("statement", PQresultErrorMessage(answer));
	return answer;
}

/* A worker's next statement; true: it has got a task, whose execution is noted. */
static int
go_on(Worker *worker, Task *got)
{
	PGresult *answer = take_answer(worker->connection);
	char		query[256];
	int			has_task = 0;

	if (answer == NULL)
		return 0;
	if (worker->doing == LEASING && PQntuples(answer) > 0)
	{
		has_task = 1;
		got->at = now();
		snprintf(got->execution_id, sizeof(got->execution_id), "%s", PQgetvalue(answer, 0, 1));
		worker->doing = COMPLETING;
		snprintf(query, sizeof(query), "SELECT noetl.complete(%s, '{\"n\": 1}', '%s')",
				 PQgetvalue(answer, 0, 0), worker->name);
		send_query(worker->connection, query);
	}
	else if (worker->doing == WAITING)
	{
		worker->doing = LEASING;
		snprintf(query, sizeof(query),
				 "SELECT queue_id, execution_id FROM noetl.lease('%s', 1, '60 s', '{bench}')",
				 worker->name);
		send_query(worker->connection, query);
	}
	else
		sleep_worker(worker);
	PQclear(answer);
	return has_task;
}

/* Waits for answers, at most so many seconds. */
static void
wait_for_answers(PGconn *starter, double seconds)
{
	struct pollfd sockets[MAX_WORKERS + 1];

	for (int i = 0; i < nworkers; i++)
		sockets[i].fd = PQsocket(workers[i].connection);
	sockets[nworkers].fd = PQsocket(starter);
	for (int i = 0; i <= nworkers; i++)
		sockets[i].events = POLLIN;
	if (poll(sockets, nworkers + 1, seconds > 0 ? (int) (seconds * 1000) : 0) < 0 && errno != EINTR)
		fail("poll", strerror(errno));
}

/* By execution, to bring start and lease together. */
static int
compare_tasks(const void *a, const void *b)
{
	return strcmp(((const Task *) a)->execution_id, ((const Task *) b)->execution_id);
}

/* By length. */
static int
compare_times(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* Starts executions at a steady rate and lets idle workers find them. */
static void
measure_latency(int ntasks, double per_second)
{
	Task	   *sent = calloc(ntasks, sizeof(Task));
	Task	   *got = calloc(ntasks, sizeof(Task));
	double	   *times = calloc(ntasks, sizeof(double));
	PGconn	   *starter = connect_database();
	int			nsent = 0;
	int			ngot = 0;
	int			pending = 0;
	double		due = now();

	while (ngot < ntasks)
	{
		double		left = due - now();

		if (!pending && nsent < ntasks && left <= 0)
		{
			sent[nsent].at = now();
			send_query(starter, "SELECT noetl.execute('bench/one')");
			pending = 1;
			due += 1 / per_second;
			left = due - now();
		}
		wait_for_answers(starter, pending || nsent == ntasks ? 1 : left);
		for (int i = 0; i < nworkers && ngot < ntasks; i++)
			ngot += go_on(&workers[i], &got[ngot]);
		if (pending)
		{
			PGresult *answer = take_answer(starter);

			if (answer != NULL)
			{
				snprintf(sent[nsent].execution_id, sizeof(sent[nsent].execution_id), "%s",
						 PQgetvalue(answer, 0, 0));
				PQclear(answer);
				nsent++;
				pending = 0;
			}
		}
		if (now() - due > 30)
			fail("tasks", "some were never leased");
	}
	qsort(sent, ntasks, sizeof(Task), compare_tasks);
	qsort(got, ntasks, sizeof(Task), compare_tasks);
	for (int i = 0; i < ntasks; i++)
	{
		if (compare_tasks(&sent[i], &got[i]) != 0)
			fail("tasks", "one was leased twice");
		times[i] = got[i].at - sent[i].at;
	}
	qsort(times, ntasks, sizeof(double), compare_times);
	printf("%.3f %.3f\n", times[ntasks / 2] * 1000, times[ntasks * 99 / 100] * 1000);
}

/* What /proc says of all sleeping workers: times run, and nanoseconds. */
static void
worker_costs(long long *runs, long long *cpu)
{
	*runs = *cpu = 0;
	for (int i = 0; i < nworkers; i++)
	{
		char		name[64];
		FILE	   *file;
		long long	used;
		long long	waited;
		long long	times;

		snprintf(name, sizeof(name), "/proc/%d/schedstat", PQbackendPID(workers[i].connection));
		file = fopen(name, "r");
		if (file == NULL || fscanf(file, "%lld %lld %lld", &used, &waited, &times) != 3)
			fail(name, "cannot be read");
		fclose(file);
		*runs += times;
		*cpu += used;
	}
}

/* Lets workers sleep and looks at what that costs. */
static void
measure_idle(int seconds)
{
	long long	runs;
	long long	cpu;
	long long	runs_before;
	long long	cpu_before;

	worker_costs(&runs_before, &cpu_before);
	sleep(seconds);
	worker_costs(&runs, &cpu);
	printf("%lld %lld\n", runs - runs_before, (cpu - cpu_before) / 1000);
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "latency") == 0)
	{
		start_workers(atoi(argv[2]));
		measure_latency(atoi(argv[3]), atof(argv[4]));
	}
	else if (argc == 4 && strcmp(argv[1], "idle") == 0)
	{
		start_workers(atoi(argv[2]));
		measure_idle(atoi(argv[3]));
	}
	else
		fail("usage", "wake latency WORKERS TASKS PER_SECOND | wake idle WORKERS SECONDS");
	return 0;
}
