/*
 * server.c
 *		Connections of browsers, and the threads that answer them.
 *
 * One thread of libmicrohttpd reads and writes for all connections and never waits
 * for the database: a complete request is suspended and goes to one of the
 * workers, whose answer resumes it.  Who sends or reads slowly occupies a connection,
 * for a bounded time, and no thread.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include <microhttpd.h>

#include "clock.h"
#include "live.h"
#include "options.h"
#include "server.h"
#include "session.h"

/* Several sessions whose database does not answer, each with all that may wait for it */
#define WORKERS			32
/* Bodies: of a login, and of what one sends when logged in */
#define SMALL_BODY		8192
#define LARGE_BODY		(4 * 1024 * 1024)
/* Of a connection's request line and headers together */
#define HEADER_MEMORY	32768
/* Seconds for a request to arrive, and for an answer to be read */
#define READ_SECONDS	20
#define CROWDED_SECONDS	3
#define WRITE_SECONDS	120

typedef enum Phase
{
	READING,					/* or idle between two requests */
	WORKING,
	WRITING,
	STREAMING,
} Phase;

/* A connection of a browser. */
typedef struct Socket
{
	struct Socket *next;
	struct Socket *previous;
	int			fd;
	Phase		phase;
	time_t		since;
} Socket;

/* A request on its way. */
typedef struct Job
{
	struct Job *next;
	struct MHD_Connection *connection;
	Socket	   *socket;
	Request		request;
	Reply		reply;
	PQExpBufferData body;
	size_t		limit;
	bool		answered;		/* the reply is there */
} Job;

static struct MHD_Daemon *server;
static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;
static Socket sockets = {&sockets, &sockets};
static int	nsockets;

static pthread_t workers[WORKERS];
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobs_there = PTHREAD_COND_INITIALIZER;
static Job *first_job;
static Job **last_job = &first_job;
static bool stopping;

/* Notes what a connection does from now on. */
static void
set_phase(Socket *socket, Phase phase)
{
	pthread_mutex_lock(&sockets_lock);
	socket->phase = phase;
	socket->since = clock_seconds();
	pthread_mutex_unlock(&sockets_lock);
}

/* Keeps the list of connections; called by libmicrohttpd. */
static void
connection_changed(void *cls, struct MHD_Connection *connection, void **context,
				   enum MHD_ConnectionNotificationCode code)
{
	Socket	   *socket = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context = socket = xcalloc(1, sizeof(*socket));
		socket->fd = info->connect_fd;
		socket->since = clock_seconds();
		pthread_mutex_lock(&sockets_lock);
		socket->next = &sockets;
		socket->previous = sockets.previous;
		sockets.previous->next = socket;
		sockets.previous = socket;
		nsockets++;
		pthread_mutex_unlock(&sockets_lock);
	}
	else if (socket)
	{
		pthread_mutex_lock(&sockets_lock);
		socket->previous->next = socket->next;
		socket->next->previous = socket->previous;
		nsockets--;
		pthread_mutex_unlock(&sockets_lock);
		free(socket);
		*context = NULL;
	}
}

/* Ends connections that are too slow; sooner when there are many. */
void
server_sweep(void)
{
	time_t		now = clock_seconds();

	pthread_mutex_lock(&sockets_lock);
	for (Socket *socket = sockets.next; socket != &sockets; socket = socket->next)
	{
		bool		crowded = nsockets > options.max_connections / 2;
		int			limit = socket->phase == WRITING ? WRITE_SECONDS :
			crowded ? CROWDED_SECONDS : READ_SECONDS;

		if ((socket->phase == READING || socket->phase == WRITING) && now - socket->since > limit)
			shutdown(socket->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&sockets_lock);
}

/* Works on jobs until the program ends. */
static void *
work(void *unused)
{
	for (;;)
	{
		Job		   *job;

		pthread_mutex_lock(&jobs_lock);
		while (first_job == NULL && !stopping)
			pthread_cond_wait(&jobs_there, &jobs_lock);
		job = first_job;
		if (job == NULL)
		{
			pthread_mutex_unlock(&jobs_lock);
			return NULL;
		}
		first_job = job->next;
		if (first_job == NULL)
			last_job = &first_job;
		pthread_mutex_unlock(&jobs_lock);
		route(&job->request, &job->reply);
		job->answered = true;
		MHD_resume_connection(job->connection);
	}
}

/* Hands a complete request to the workers; returns false when they are leaving. */
static bool
enqueue(Job *job)
{
	bool		taken;

	set_phase(job->socket, WORKING);
	pthread_mutex_lock(&jobs_lock);
	taken = !stopping;
	if (taken)
	{
		MHD_suspend_connection(job->connection);
		job->next = NULL;
		*last_job = job;
		last_job = &job->next;
		pthread_cond_signal(&jobs_there);
	}
	pthread_mutex_unlock(&jobs_lock);
	return taken;
}

/* Frees a request, however it ended; called by libmicrohttpd. */
static void
request_completed(void *cls, struct MHD_Connection *connection, void **context,
				  enum MHD_RequestTerminationCode code)
{
	Job		   *job = *context;

	if (job == NULL)
		return;
	if (job->socket)
		set_phase(job->socket, READING);
	for (int i = 0; i < job->request.nfields && !job->request.post; i++)
	{
		free(job->request.fields[i].name);
		free(job->request.fields[i].value);
	}
	free(job->request.fields);
	free(job->request.path);
	free(job->request.cookie);
	termPQExpBuffer(&job->request.error);
	termPQExpBuffer(&job->body);
	termPQExpBuffer(&job->reply.body);
	if (job->reply.stream)
		live_discard(job->reply.stream);
	free(job->reply.location);
	for (int i = 0; i < job->reply.ncookies; i++)
		free(job->reply.cookies[i]);
	free(job);
	*context = NULL;
}

/* Adds a field of the query string; called by libmicrohttpd. */
static enum MHD_Result
take_argument(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	Request    *request = cls;

	if (request->nfields >= 100)
		return MHD_NO;
	request->fields = xrealloc(request->fields, (request->nfields + 1) * sizeof(Field));
	request->fields[request->nfields].name = xstrdup(name);
	request->fields[request->nfields++].value = xstrdup(value ? value : "");
	return MHD_YES;
}

/* Makes the ends of lines LF, in place: browsers send CR LF from a textarea. */
static void
end_lines(char *s)
{
	char	   *to = s;

	for (; *s; s++)
		if (*s != '\r' || s[1] != '\n')
			*to++ = *s;
	*to = '\0';
}

/* Splits the body of a POST into fields that point into it. */
static void
take_form(Request *request, char *body)
{
	char	   *rest = body;
	char	   *part;

	request->fields = xcalloc(MAX_FIELDS, sizeof(Field));
	while (rest && (part = strsep(&rest, "&")) != NULL && request->nfields < MAX_FIELDS)
	{
		char	   *value = strchr(part, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		url_decode(part);
		url_decode(value);
		end_lines(value);
		request->fields[request->nfields].name = part;
		request->fields[request->nfields++].value = value;
	}
}

/* Sends an answer that needs no worker. */
static enum MHD_Result
refuse(struct MHD_Connection *connection, int status, const char *message)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(message), (void *) message, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD, POST");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Adds what every answer says to the browser about what a page may do. */
static void
add_headers(struct MHD_Response *response, const Reply *reply)
{
	MHD_add_response_header(response, "Content-Type",
							reply->type ? reply->type : "text/html; charset=utf-8");
	MHD_add_response_header(response, "Content-Security-Policy",
							"default-src 'self'; base-uri 'none'; form-action 'self';"
							" frame-ancestors 'none'; object-src 'none'");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(response, "Referrer-Policy", "same-origin");
	MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(response, "Cache-Control",
							reply->cacheable ? "private, max-age=86400" : "no-store");
}

/* Sends what a worker has answered. */
static enum MHD_Result
answer(Job *job)
{
	Reply	   *reply = &job->reply;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (reply->stream)
	{
		response = live_response(reply->stream, job->connection);
		if (response)
			reply->stream = NULL;
		set_phase(job->socket, STREAMING);
	}
	else
	{
		if (PQExpBufferDataBroken(reply->body))
			return refuse(job->connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
						  "The console has no memory for this answer.\n");
		/* a large value is not copied once more: the response frees it */
		response = MHD_create_response_from_buffer(reply->body.len, reply->body.data,
												   MHD_RESPMEM_MUST_FREE);
		if (response)
			initPQExpBuffer(&reply->body);
		set_phase(job->socket, WRITING);
	}
	if (response == NULL)
		return MHD_NO;
	add_headers(response, reply);
	if (reply->location)
		MHD_add_response_header(response, "Location", reply->location);
	if (reply->file_name)
	{
		char		disposition[200];

		snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", reply->file_name);
		MHD_add_response_header(response, "Content-Disposition", disposition);
	}
	for (int i = 0; i < reply->ncookies; i++)
		MHD_add_response_header(response, "Set-Cookie", reply->cookies[i]);
	result = MHD_queue_response(job->connection, reply->status ? reply->status : MHD_HTTP_OK,
								response);
	MHD_destroy_response(response);
	return result;
}

/* Counts the headers that say how long a body is; called by libmicrohttpd. */
static enum MHD_Result
count_length(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
		++*(int *) cls;
	return MHD_YES;
}

/* Reads what the headers say; returns 0, or the status with which it is refused. */
static int
read_headers(Job *job, const char *url, const char *method)
{
	struct MHD_Connection *connection = job->connection;
	Request    *request = &job->request;
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
	const char *site = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site");
	char		token[TOKEN_SIZE];
	int			lengths = 0;

	request->post = strcmp(method, "POST") == 0;
	request->head = strcmp(method, "HEAD") == 0;
	if (!request->post && !request->head && strcmp(method, "GET") != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	/* a proxy may think that the request ends elsewhere, and another one begins there */
	MHD_get_connection_values(connection, MHD_HEADER_KIND, count_length, &lengths);
	if (lengths > 1)
		return MHD_HTTP_BAD_REQUEST;
	if (host == NULL || !host_allowed(host))
		return MHD_HTTP_MISDIRECTED_REQUEST;
	if (request->post &&
		(type == NULL || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0))
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	request->foreign = site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
	request->refresh = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
												   "X-Noetl-Refresh") != NULL;
	request->path = xstrdup(url);
	request->cookie = xstrdup(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Cookie"));
	job->limit = request_cookie(request, "noetl_session", token, sizeof(token)) &&
		session_exists(token) ? LARGE_BODY : SMALL_BODY;
	return 0;
}

/* Completes a request: fields that are no UTF-8 are refused. */
static int
read_fields(Job *job)
{
	Request    *request = &job->request;

	if (!request->post)
		MHD_get_connection_values(job->connection, MHD_GET_ARGUMENT_KIND, take_argument, request);
	else
		take_form(request, job->body.data);
	if (!utf8_valid(request->path))
		return MHD_HTTP_BAD_REQUEST;
	for (int i = 0; i < request->nfields; i++)
		if (!utf8_valid(request->fields[i].name) || !utf8_valid(request->fields[i].value))
			return MHD_HTTP_BAD_REQUEST;
	return 0;
}

/* Takes a request bit by bit; called by libmicrohttpd. */
static enum MHD_Result
take_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			 const char *version, const char *data, size_t *size, void **context)
{
	Job		   *job = *context;
	int			status;

	if (job == NULL)
	{
		*context = job = xcalloc(1, sizeof(*job));
		job->connection = connection;
		initPQExpBuffer(&job->request.error);
		initPQExpBuffer(&job->body);
		initPQExpBuffer(&job->reply.body);
		job->socket = MHD_get_connection_info(connection,
											  MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
		status = read_headers(job, url, method);
		return status == 0 ? MHD_YES :
							 refuse(connection, status, "The console refuses this request.\n");
	}
	if (job->answered)
		return answer(job);
	if (*size > 0)
	{
		/* the rest of what is too long is read and forgotten */
		if (job->body.len <= job->limit)
			appendBinaryPQExpBuffer(&job->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (PQExpBufferDataBroken(job->body) || job->body.len > job->limit)
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "The request is too long.\n");
	status = read_fields(job);
	if (status != 0)
		return refuse(connection, status, "The request is not in UTF-8.\n");
	if (!enqueue(job))
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "The console stops.\n");
	return MHD_YES;
}

/* Says nothing: what browsers do wrong is no news. */
static void
ignore_log(void *cls, const char *format, va_list args)
{
}

/* Lets the process have as many files as it may need. */
static void
raise_file_limit(void)
{
	struct rlimit limit;
	rlim_t		wanted = options.max_connections + options.max_sessions * 2 + 100;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
	{
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
		if (limit.rlim_cur < wanted)
			options.max_connections = (int) limit.rlim_cur / 2;
	}
}

/* Starts to serve (server.h). */
int
server_start(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(options.port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(options.port)};
	bool		is_v4 = inet_pton(AF_INET, options.address, &v4.sin_addr) == 1;
	const union MHD_DaemonInfo *info;

	if (!is_v4)
		inet_pton(AF_INET6, options.address, &v6.sin6_addr);
	raise_file_limit();
	server = MHD_start_daemon(
			MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			(is_v4 ? 0 : MHD_USE_IPv6), options.port, NULL, NULL, take_request, NULL,
			MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
			MHD_OPTION_SOCK_ADDR, is_v4 ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned) options.max_connections,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) WRITE_SECONDS,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HEADER_MEMORY,
			MHD_OPTION_NOTIFY_CONNECTION, connection_changed, NULL,
			MHD_OPTION_NOTIFY_COMPLETED, request_completed, NULL,
			MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
			MHD_OPTION_END);
	if (server == NULL)
	{
		fprintf(stderr, "noetl-console: cannot listen at %s, port %d\n", options.address,
				options.port);
		return 0;
	}
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i], NULL, work, NULL) != 0)
		{
			fputs("noetl-console: cannot start a thread\n", stderr);
			exit(1);
		}
	live_start();
	info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
	if (info)
		options.port = info->port;	/* 0: any that was free */
	return options.port;
}

/* Answers what is being worked on, and ends. */
void
server_stop(void)
{
	int			listening = MHD_quiesce_daemon(server);

	pthread_mutex_lock(&jobs_lock);
	stopping = true;
	pthread_cond_broadcast(&jobs_there);
	pthread_mutex_unlock(&jobs_lock);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	live_stop();
	MHD_stop_daemon(server);
	if (listening >= 0)
		close(listening);
}
