/*
 * test/t/console_world.c
 *		Stands for what is around noetl-console: libmicrohttpd, libpq and calls of the system.
 *
 * The functions have the names of those that they stand for.  What the console asks for is
 * printed, and console_parts.c says what it is answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "console_world.h"
#include "layout.h"
#include "text.h"

char	   *args[MAX_ARGS];	/* of the command; NULL behind the last */
bool trace;				/* whether what is asked for is printed */

bool counting;			/* answers are counted in the place of being printed */
int	counted;

/* The calls that fail, each once: "NAME NAME", or "NAME*" for ever */
char failing[200];

/* Whether a call is to fail. */
static bool
fails(const char *call)
{
	char	   *found = strstr(failing, call);
	size_t		len = strlen(call);

	if (found == NULL || (found[len] != ' ' && found[len] != '*' && found[len] != '\0'))
		return false;
	if (found[len] != '*')
		memset(found, '-', len);
	errno = EMFILE;
	return true;
}

/*
 * The system: clocks, random numbers, memory, files.
 */
static long long passed_ms = 5000000;	/* of the clock that does not jump */
time_t clock_set;				/* seconds by which the other clock differs from it */
int	tokens;

time_t
time(time_t *t)
{
	return passed_ms / 1000 + clock_set;
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec) {passed_ms / 1000, passed_ms % 1000 * 1000000};
	t->tv_sec += id == CLOCK_REALTIME ? clock_set : 0;
	return 0;
}

/* Passes the time. */
void
pass(long long ms)
{
	passed_ms += ms;
}

ssize_t
getrandom(void *bytes, size_t size, unsigned flags)
{
	if (fails("getrandom"))
		return 0;
	memset(bytes, 0, size);
	((unsigned char *) bytes)[size - 1] = (unsigned char) ++tokens;
	return (ssize_t) size;
}

extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_calloc(size_t count, size_t size);

void *
realloc(void *p, size_t size)
{
	return size > 4000 && fails("realloc") ? NULL : __libc_realloc(p, size);
}

void *
calloc(size_t count, size_t size)
{
	return count == 1 && size > 4000 && fails("calloc") ? NULL : __libc_calloc(count, size);
}

int
asprintf(char **text, const char *format,...)
{
	va_list		list;
	int			len;

	if (fails("asprintf"))
		return -1;
	va_start(list, format);
	len = vasprintf(text, format, list);
	va_end(list);
	return len;
}

rlim_t file_limit = 1024;
rlim_t most_files = 4096;

int
getrlimit(__rlimit_resource_t what, struct rlimit *limit)
{
	*limit = (struct rlimit) {file_limit, most_files};
	return fails("getrlimit") ? -1 : 0;
}

int
setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
	printf("files: %d of %d\n", (int) limit->rlim_cur, (int) limit->rlim_max);
	return 0;
}

int
shutdown(int file, int how)
{
	printf("socket %d is cut off\n", file);
	return 0;
}

int
eventfd(unsigned count, int flags)
{
	return fails("eventfd") ? -1 : 90;
}

#define BELL 90					/* of live.c */
#define DATABASE 91				/* the connection that waits */
#define PIPE 92					/* from the process that lays out */
#define QUESTION 94

/* What poll() is told to do, one after the other, separated by blanks: see poll_once(). */
char script[2000];
char *script_at = script;
jmp_buf script_over;
static bool rung;				/* the bell */
static bool pipe_ready;
const char *layout_text; /* what the process that lays out says from here on */
int	layout_status;
static char question[4000];

/* Returns the next word of the script, or NULL; "..." is the last one for ever. */
static char *
next_word(void)
{
	static char word[100];
	int			len = 0;

	if (sscanf(script_at, " ...%n", &len) == 0 && len > 0)
		return word;
	if (sscanf(script_at, "%99s%n", word, &len) != 1)
		return NULL;
	script_at += len;
	return word;
}

/* Whether a file has something to read, when poll() was told that. */
static bool
is_ready(int file, char what)
{
	return (file == BELL && (rung || what == 'b')) || (file == DATABASE && what == 'd') ||
		(file == PIPE && pipe_ready);
}

/* Has each page read what its stream says. */
static void
read_streams(void)
{
	for (int i = 0; i < MAX_CONNECTIONS; i++)
	{
		struct MHD_Response *response = connections[i].response;
		char		buffer[1024];
		ssize_t		len;

		while (response && !connections[i].suspended &&
			   (len = response->read(response->cls, connections[i].position, buffer,
									 sizeof(buffer))) > 0)
		{
			connections[i].position += len;
			printf("stream %d: %.*s\n", i, (int) strcspn(buffer, "\n"), buffer);
		}
	}
}

/*
 * Does what a word says: "+MS" passes time, with "b" behind the bell rings, with "d" the
 * database answers, with "t" the process says nothing yet, with "f" the call fails, with
 * "r" the pages read, with "g" the held session is given back.
 */
int
poll(struct pollfd *files, nfds_t count, int timeout)
{
	char	   *word = next_word();
	char	   *what;
	int			ready = 0;

	if (word == NULL)
		longjmp(script_over, 1);
	if (trace)
		printf("poll %d ms%s\n", timeout, count == 2 && files[1].fd < 0 ? ", the bell only" : "");
	pass(strtoll(word, &what, 10));
	if (*what == 'f')
		return -1;
	if (*what == 'r')
		read_streams();
	if (*what == 'g')
		give_back();
	pipe_ready = *what != 't';
	for (nfds_t i = 0; i < count; i++)
	{
		files[i].revents = is_ready(files[i].fd, *what) ? POLLIN : 0;
		ready += files[i].revents != 0;
	}
	return ready;
}

ssize_t
read(int file, void *to, size_t size)
{
	size_t		len;

	if (file == BELL)
	{
		rung = false;
		return fails("read") ? -1 : 8;
	}
	if (file != PIPE || !pipe_ready || fails("read"))
		return -1;
	len = strlen(layout_text) < size ? strlen(layout_text) : size;
	memcpy(to, layout_text, len);
	layout_text += len;
	return (ssize_t) len;
}

ssize_t
write(int file, const void *from, size_t size)
{
	if (fails("write"))
		return -1;
	if (file == BELL)
		rung = true;
	if (file == QUESTION && size < sizeof(question))
	{
		memcpy(question, from, size);
		question[size] = '\0';
	}
	return (ssize_t) size;
}

int
close(int file)
{
	if (trace)
		printf("close %d\n", file);
	return 0;
}

int
memfd_create(const char *name, unsigned flags)
{
	return fails("memfd_create") ? -1 : QUESTION;
}

off_t
lseek(int file, off_t offset, int whence)
{
	return fails("lseek") ? -1 : offset;
}

int
pipe2(int files[2], int flags)
{
	files[0] = PIPE;
	files[1] = PIPE + 1;
	return fails("pipe2") ? -1 : 0;
}

int
posix_spawn(pid_t *process, const char *path, const posix_spawn_file_actions_t *files,
			const posix_spawnattr_t *attributes, char *const arguments[], char *const variables[])
{
	*process = 77;
	counted++;
	if (!counting)
		printf("asked: %s", question);
	return fails("posix_spawn") ? EAGAIN : 0;
}

int
kill(pid_t process, int number)
{
	printf("signal %d to process %d\n", number, (int) process);
	layout_status = number;
	return 0;
}

pid_t
waitpid(pid_t process, int *status, int options)
{
	*status = layout_status;
	return fails("waitpid") ? -1 : process;
}

/*
 * Threads: none runs.  What waits for another one goes back to where it was started.
 */
void *(*worker) (void *);
void *(*looker) (void *);
jmp_buf idle;

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			   void *argument)
{
	bool		other = worker != NULL && worker != run;

	if (fails(other ? "second_thread" : "first_thread"))
		return EAGAIN;
	*(other ? &looker : &worker) = run;
	return 0;
}

int
pthread_join(pthread_t thread, void **value)
{
	return 0;
}

int
pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	pthread_mutex_unlock(mutex);
	longjmp(idle, 1);
}

/*
 * libpq
 */
Rule rules[MAX_RULES];
int	nrules;
bool connected = true;
bool with_password = true;
static const char *error_fields;	/* of the last result: CODE|MESSAGE|DETAIL|HINT */
static int	results;			/* of the connection that waits */

/* Returns the column of a text that separators divide, to be freed; NULL for \N or none. */
static char *
part_of(const char *text, char separator, int number)
{
	for (; number > 0 && (text = strchr(text, separator)) != NULL; number--)
		text++;
	if (text == NULL || strncmp(text, "\\N", 2) == 0)
		return NULL;
	return strndup(text, strchrnul(text, separator) - text);
}

/* Makes the rows that a text has: "a|b;c|d". */
static PGresult *
rows_of(const char *text)
{
	PGresult   *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[MAX_ARGS] = {{.name = (char *) "c"}};
	int			count = 1;
	char	   *row;

	for (const char *p = text; *p && *p != ';'; p++)
		count += *p == '|';
	for (int i = 0; i < count; i++)
		columns[i].name = (char *) "c";
	PQsetResultAttrs(result, count, columns);
	for (int r = 0; *text; r++)
	{
		row = strndup(text, strcspn(text, ";"));
		text += strlen(row);
		text += *text == ';';
		for (int i = 0; i < count; i++)
		{
			char	   *value = part_of(row, '|', i);

			PQsetvalue(result, r, i, value, value ? (int) strlen(value) : -1);
			free(value);
		}
		free(row);
	}
	return result;
}

/* Returns what the rules say of a statement; else that it is done, or has no rows. */
static PGresult *
answer_of(const char *sql)
{
	const char *answer = NULL;

	error_fields = "";
	for (int i = 0; i < nrules; i++)
		if (strstr(sql, rules[i].sql))
			answer = rules[i].answer;
	if (answer && strcmp(answer, "lost") == 0)
	{
		connected = false;
		return NULL;
	}
	if (answer && *answer == '!')
	{
		error_fields = answer + 1;
		return PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	}
	if (answer && *answer == '*')
	{
		PGresult   *all = rows_of(strchr(answer, ' ') + 1);

		/* as many copies of a row */
		for (int r = 1; r < atoi(answer + 1); r++)
			for (int i = 0; i < PQnfields(all); i++)
				PQsetvalue(all, r, i, PQgetisnull(all, 0, i) ? NULL : PQgetvalue(all, 0, i),
						   PQgetisnull(all, 0, i) ? -1 : PQgetlength(all, 0, i));
		return all;
	}
	if (answer)
		return rows_of(answer);
	if (strncmp(sql, "SET", 3) == 0 || strncmp(sql, "BEGIN", 5) == 0 ||
		strncmp(sql, "COMMIT", 6) == 0 || strncmp(sql, "ROLLBACK", 8) == 0)
		return PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
	return rows_of("");
}

PGconn *
PQconnectdbParams(const char *const *keys, const char *const *values, int expand)
{
	for (int i = 0; trace && keys[i]; i++)
		printf("%s%s=%s", i > 0 ? " " : "connect ", keys[i], values[i]);
	if (trace)
		printf("\n");
	connected = !fails("connect");
	return (PGconn *) strdup("connection");
}

ConnStatusType
PQstatus(const PGconn *conn)
{
	return connected ? CONNECTION_OK : CONNECTION_BAD;
}

char *
PQerrorMessage(const PGconn *conn)
{
	return (char *) "no entry for\nuser \x7f\"ann\"\n";
}

PQnoticeReceiver
PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg)
{
	return NULL;
}

void
PQfinish(PGconn *conn)
{
	if (conn)
		puts("a connection is closed");
	free(conn);
}

int
PQconnectionUsedPassword(const PGconn *conn)
{
	return with_password;
}

/* Prints how a statement begins, or the conditions that it is made of, and its parameters. */
static void
print_sql(const char *sql, int nparams, const char *const *params)
{
	const char *conditions = strstr(sql, "WHERE true");

	if (!trace)
		return;
	printf(conditions ? "sql: … %s" : "sql: %.70s", conditions ? conditions : sql);
	for (int i = 0; i < nparams; i++)
		printf(" $%d=%s", i + 1, params[i] ? params[i] : "NULL");
	printf("\n");
}

PGresult *
PQexec(PGconn *conn, const char *sql)
{
	print_sql(sql, 0, NULL);
	return answer_of(sql);
}

PGresult *
PQexecParams(PGconn *conn, const char *sql, int nparams, const Oid *types,
			 const char *const *params, const int *lengths, const int *formats, int format)
{
	print_sql(sql, nparams, params);
	return answer_of(sql);
}

char *
PQresultErrorField(const PGresult *result, int code)
{
	static char *field;
	int			number = code == PG_DIAG_SQLSTATE ? 0 : code == PG_DIAG_MESSAGE_PRIMARY ? 1 :
		code == PG_DIAG_MESSAGE_DETAIL ? 2 : 3;

	free(field);
	field = result ? part_of(error_fields, '|', number) : NULL;
	/* keep_error() has all of them at a time */
	return field && *field ? strdup(field) : NULL;
}

int
PQsendQuery(PGconn *conn, const char *sql)
{
	print_sql(sql, 0, NULL);
	results = 1;
	return fails("PQsendQuery") ? 0 : 1;
}

int
PQconsumeInput(PGconn *conn)
{
	return fails("PQconsumeInput") ? 0 : 1;
}

int
PQisBusy(PGconn *conn)
{
	return fails("PQisBusy");
}

PGresult *
PQgetResult(PGconn *conn)
{
	if (results-- <= 0)
		return NULL;
	return PQmakeEmptyPGresult(NULL, fails("PQgetResult") ? PGRES_FATAL_ERROR : PGRES_COMMAND_OK);
}

int
PQsocket(const PGconn *conn)
{
	return DATABASE;
}

PGcancel *
PQgetCancel(PGconn *conn)
{
	return fails("PQgetCancel") ? NULL : (PGcancel *) strdup("cancel");
}

int
PQcancel(PGcancel *cancel, char *error, int size)
{
	puts("the call that waits is cancelled");
	return 1;
}

void
PQfreeCancel(PGcancel *cancel)
{
	free(cancel);
}

/*
 * libmicrohttpd
 */
MHD_AccessHandlerCallback take;
MHD_NotifyConnectionCallback changed;
MHD_RequestCompletedCallback completed;
struct MHD_Connection connections[MAX_CONNECTIONS];
bool all_headers;
bool answered;			/* the request */

/* Prints an address. */
static void
print_address(const struct sockaddr *address)
{
	char		text[100];

	if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) address)->sin6_addr, text,
				  sizeof(text));
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr, text, sizeof(text));
	printf(", %s", text);
}

struct MHD_Daemon *
MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback policy, void *policy_cls,
				 MHD_AccessHandlerCallback handler, void *handler_cls,...)
{
	va_list		list;
	int			option;

	if (fails("MHD_start_daemon"))
		return NULL;
	take = handler;
	printf("%s, port %d", flags & MHD_USE_IPv6 ? "IPv6" : "IPv4", port);
	va_start(list, handler_cls);
	while ((option = va_arg(list, int)) != MHD_OPTION_END)
		switch (option)
		{
			case MHD_OPTION_CONNECTION_MEMORY_LIMIT:
				printf(", memory %d", (int) va_arg(list, size_t));
				break;
			case MHD_OPTION_CONNECTION_LIMIT:
				printf(", connections %u", va_arg(list, unsigned));
				break;
			case MHD_OPTION_CONNECTION_TIMEOUT:
			case MHD_OPTION_LISTENING_ADDRESS_REUSE:
				(void) va_arg(list, unsigned);
				break;
			case MHD_OPTION_SOCK_ADDR:
				print_address(va_arg(list, const struct sockaddr *));
				break;
			case MHD_OPTION_NOTIFY_CONNECTION:
				changed = va_arg(list, MHD_NotifyConnectionCallback);
				(void) va_arg(list, void *);
				break;
			case MHD_OPTION_NOTIFY_COMPLETED:
				completed = va_arg(list, MHD_RequestCompletedCallback);
				(void) va_arg(list, void *);
				break;
			default:
				(void) va_arg(list, void *);
				(void) va_arg(list, void *);
		}
	va_end(list);
	printf("\n");
	return (struct MHD_Daemon *) connections;
}

const union MHD_DaemonInfo *
MHD_get_daemon_info(struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type,...)
{
	static union MHD_DaemonInfo info;

	info.port = 4711;
	return fails("MHD_get_daemon_info") ? NULL : &info;
}

MHD_socket
MHD_quiesce_daemon(struct MHD_Daemon *daemon)
{
	return fails("MHD_quiesce_daemon") ? -1 : 80;
}

void
MHD_stop_daemon(struct MHD_Daemon *daemon)
{
	puts("libmicrohttpd stops");
}

const union MHD_ConnectionInfo *
MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type,...)
{
	if (type == MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		connection->info.socket_context = connection->context;
	else
		connection->info.connect_fd = (int) (connection - connections);
	return &connection->info;
}

/* A header of the request: "Name: value" among the arguments. */
const char *
MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
							const char *name)
{
	size_t		len = strlen(name);

	for (int i = 4; args[i]; i++)
		if (strncmp(args[i], name, len) == 0 && args[i][len] == ':')
			return args[i] + len + 2;
	/* what nearly all requests have */
	return strcmp(name, "Host") == 0 ? "localhost" : NULL;
}

/* The query of the address: "path?name=value&name"; "*N" of a name is that name N times. */
int
MHD_get_connection_values(struct MHD_Connection *connection, enum MHD_ValueKind kind,
						  MHD_KeyValueIterator iterator, void *cls)
{
	char	   *query = strdup(strchrnul(args[3], '?'));
	char	   *rest = *query ? query + 1 : NULL;
	char	   *name;

	while ((name = strsep(&rest, "&")) != NULL)
	{
		char	   *value = strchr(name, '=');
		int			times = 1;

		if (value)
			*value++ = '\0';
		if (strchr(name, '*'))
			times = atoi(strchr(name, '*') + 1);
		url_decode(name);
		if (value)
			url_decode(value);
		for (int i = 0; i < times; i++)
			if (iterator(cls, kind, name, value) != MHD_YES)
				break;
	}
	free(query);
	return 0;
}

void
MHD_suspend_connection(struct MHD_Connection *connection)
{
	connection->suspended = true;
}

void
MHD_resume_connection(struct MHD_Connection *connection)
{
	if (!connection->suspended)
		puts("what is not suspended is resumed");
	connection->suspended = false;
	if (connection->response)
		printf("stream %d is woken\n", (int) (connection - connections));
}

static struct MHD_Response *
new_response(void)
{
	return fails("MHD_create_response") ? NULL : calloc(1, sizeof(struct MHD_Response));
}

struct MHD_Response *
MHD_create_response_from_buffer(size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = new_response();

	if (response)
	{
		response->body = buffer;
		response->size = size;
		response->owned = mode == MHD_RESPMEM_MUST_FREE;
	}
	return response;
}

struct MHD_Response *
MHD_create_response_from_callback(uint64_t size, size_t block, MHD_ContentReaderCallback reader,
								  void *cls, MHD_ContentReaderFreeCallback free_callback)
{
	struct MHD_Response *response = new_response();

	if (response)
	{
		response->read = reader;
		response->cls = cls;
		response->free = free_callback;
	}
	return response;
}

enum MHD_Result
MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value)
{
	size_t		len = strlen(response->headers);

	if (all_headers || strcmp(name, "Location") == 0 || strcmp(name, "Set-Cookie") == 0 ||
		strcmp(name, "Allow") == 0 || strcmp(name, "Content-Disposition") == 0)
		snprintf(response->headers + len, sizeof(response->headers) - len, "%s: %s\n", name, value);
	return MHD_YES;
}

/* Returns a number that another text would hardly have (FNV-1a). */
static uint32_t
digest_of(const char *text)
{
	uint32_t	digest = 2166136261u;

	for (; *text; text++)
		digest = (digest ^ (unsigned char) *text) * 16777619u;
	return digest;
}

/*
 * Prints an answer: of a page its name, and what is between its head and its foot; of
 * what is long only how long it is, and a digest.
 */
static void
print_answer(unsigned status, const struct MHD_Response *response)
{
	char	   *body = strndup(response->body ? response->body : "", response->size);
	char	   *begin = strstr(body, "<main id=\"main\">\n");
	char	   *end = begin ? strstr(begin, "</main>") : NULL;

	printf("%u\n%s", status, response->headers);
	if (begin && end && !all_headers)
	{
		const char *title = strstr(body, "<title>") + strlen("<title>");
		const char *live = strstr(body, "<body") + strlen("<body");

		/* its name, and what it listens to */
		printf("%.*s%.*s\n", (int) strcspn(title, "<"), title, (int) strcspn(live, ">"), live);
		*end = '\0';
		begin = strchr(begin, '\n') + 1;
	}
	else
		begin = body;
	if (strlen(begin) > 6000)
		printf("[%zu bytes, %08x]\n", strlen(begin), digest_of(begin));
	else
		printf("%s%s", begin, *begin && begin[strlen(begin) - 1] != '\n' ? "\n" : "");
	free(body);
}

enum MHD_Result
MHD_queue_response(struct MHD_Connection *connection, unsigned status,
				   struct MHD_Response *response)
{
	answered = true;
	counted += status == MHD_HTTP_OK;
	if (!counting)
		print_answer(status, response);
	if (response->read)
	{
		connection->response = response;
		connection->position = 0;
		response->kept = true;
	}
	return MHD_YES;
}

/* Frees a response that no connection has. */
void
free_response(struct MHD_Response *response)
{
	if (response->owned)
		free((char *) response->body);
	if (response->free)
		response->free(response->cls);
	free(response);
}

void
MHD_destroy_response(struct MHD_Response *response)
{
	if (!response->kept)
		free_response(response);
}

/*
 * What a process that has Graphviz would do
 */
int
layout_answer(void)
{
	return 1;
}

const char *
layout_version(void)
{
	return "0";
}
