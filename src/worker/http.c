/*
 * http.c
 *		Tasks of type http: one request by libcurl.
 *
 * The result is {"status": "success", "data": {"status_code": 200, "headers":
 * {...}, "url": "...", "elapsed": 0.12, "data": ...}}.  The body becomes data: JSON
 * when its Content-Type says so and the server can parse it, else text; other bytes
 * are in data_base64.  Names of headers are in lower case, the values of repeated
 * ones are joined.
 *
 * A status of 400 or more fails the task with the same result beside the
 * error, so that a retry condition can look at status_code.  Without a
 * timeout of its own a request gets 30 seconds.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "http.h"
#include "url.h"

#define MAX_BODY_BYTES (64 * 1024 * 1024)
#define MAX_HEADER_BYTES (1024 * 1024)
#define MAX_REDIRECTS 10
#define DEFAULT_SECONDS 30
#define MAX_SOCKETS 8

/* Header lines of one name, joined */
typedef struct HttpHeader
{
	char	   *name;
	StringBuf	value;
} HttpHeader;

typedef struct HttpResponse
{
	StringBuf	body;
	StringBuf	reason;			/* words of the status line */
	HttpHeader *headers;
	int			nheaders;
	size_t		header_bytes;
	const char *too_large;		/* what is, or NULL */
	char		curl_error[CURL_ERROR_SIZE];
} HttpResponse;

/* Kept between tasks, with its connections */
static CURLM *multi = NULL;

/* The sockets and the time that curl waits for */
static struct pollfd sockets[MAX_SOCKETS];
static int	nsockets = 0;
static double timer = 0;		/* monotonic seconds; 0: none */

/* Called by curl: notes a socket and the events to watch it for. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int			i = 0;

	(void) easy;
	(void) arg;
	(void) socket_arg;
	while (i < nsockets && sockets[i].fd != fd)
		i++;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < nsockets)
			sockets[i] = sockets[--nsockets];
		return 0;
	}
	if (i == MAX_SOCKETS)
		return -1;
	if (i == nsockets)
		nsockets++;
	sockets[i] = (struct pollfd) {
		.fd = fd,
		.events = (short) ((what & CURL_POLL_IN ? POLLIN : 0) |
						   (what & CURL_POLL_OUT ? POLLOUT : 0))
	};
	return 0;
}

/* Called by curl: notes when to call it at the latest. */
static int
set_timer(CURLM *m, long milliseconds, void *arg)
{
	(void) m;
	(void) arg;
	timer = milliseconds < 0 ? 0 : monotonic_now() + (double) milliseconds / 1000;
	return 0;
}

/* Closes the kept connections. */
void
http_disconnect(void)
{
	if (multi != NULL)
		curl_multi_cleanup(multi);
	multi = NULL;
	nsockets = 0;
	timer = 0;
}

/* Ends the use of curl in this process. */
void
http_shutdown(void)
{
	http_disconnect();
	curl_global_cleanup();
}

/* Frees the headers of a response. */
static void
clear_headers(HttpResponse *response)
{
	for (int i = 0; i < response->nheaders; i++)
	{
		free(response->headers[i].name);
		sb_free(&response->headers[i].value);
	}
	free(response->headers);
	response->headers = NULL;
	response->nheaders = 0;
	sb_reset(&response->reason);
}

/* Adds a header; the values of one name are joined. */
static void
store_header(HttpResponse *response, const char *name, size_t name_len,
			 const char *value, size_t len)
{
	HttpHeader *header = NULL;

	for (int i = 0; header == NULL && i < response->nheaders; i++)
	{
		if (strlen(response->headers[i].name) == name_len &&
			strncasecmp(response->headers[i].name, name, name_len) == 0)
			header = &response->headers[i];
	}
	if (header == NULL)
	{
		response->headers = xrealloc(response->headers, sizeof(HttpHeader) *
									 (size_t) (response->nheaders + 1));
		header = &response->headers[response->nheaders++];
		memset(header, 0, sizeof(*header));
		header->name = xcalloc(name_len + 1, 1);
		for (size_t i = 0; i < name_len; i++)
			header->name[i] = (char) tolower((unsigned char) name[i]);
	}
	else
		sb_str(&header->value, ", ");
	sb_add(&header->value, value, len);
}

/* Called by curl: takes a header line; a status line begins a new response. */
static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	HttpResponse *response = arg;
	size_t		len = size * count;
	size_t		given = len;
	const char *colon;
	const char *value;

	response->header_bytes += len;
	if (response->header_bytes > MAX_HEADER_BYTES)
	{
		response->too_large = "the response has more than 1 MB of headers";
		return 0;
	}
	while (len > 0 && isspace((unsigned char) line[len - 1]))
		len--;
	if (len >= 5 && strncmp(line, "HTTP/", 5) == 0)
	{
		const char *code = memchr(line, ' ', len);
		const char *reason = code != NULL ?
			memchr(code + 1, ' ', len - (size_t) (code + 1 - line)) : NULL;

		clear_headers(response);
		if (reason != NULL)
			sb_add(&response->reason, reason + 1, len - (size_t) (reason + 1 - line));
		return given;
	}
	colon = memchr(line, ':', len);
	if (colon == NULL || colon == line)
		return given;
	for (value = colon + 1; value < line + len && isspace((unsigned char) *value); value++)
		;
	store_header(response, line, (size_t) (colon - line), value,
				 (size_t) (line + len - value));
	return given;
}

/* Called by curl: takes a piece of the body. */
static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	HttpResponse *response = arg;
	size_t		len = size * count;

	if (len > MAX_BODY_BYTES - response->body.len)
	{
		response->too_large = "the response is larger than 64 MB";
		return 0;
	}
	sb_add(&response->body, data, len);
	return len;
}

/* Allows http and https only. */
static void
restrict_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* Sets the method and the body. */
static void
set_method(CURL *easy, const HttpRequest *request)
{
	if (request->has_body)
	{
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body.len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data);
	}
	else if (strcmp(request->method, "POST") == 0)
	{
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	}
	else if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (strcmp(request->method, "POST") != 0 && strcmp(request->method, "HEAD") != 0 &&
		(request->has_body || strcmp(request->method, "GET") != 0))
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* Sets the options of a transfer. */
static void
set_options(CURL *easy, HttpRequest *request, HttpResponse *response,
			const Task *task)
{
	curl_easy_setopt(easy, CURLOPT_CURLU, request->parsed);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* a name server that does not answer must not be waited for when the time is over */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	restrict_protocols(easy);
	set_method(easy, request);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http_request_headers(request));
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "noetl-worker/" NOETL_VERSION);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	if (request->username != NULL)
	{
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, request->username);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password);
	}
	if (!request->verify)
	{
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (task->deadline == 0)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
						 (long) (fmax(request->give_up - monotonic_now(), 0.001) * 1000));
	else
	{
		/* the worker ends the task itself; curl must not be earlier */
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 1000000L);
	}
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, response);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, response);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, response->curl_error);
}

/* Calls curl for the sockets that are ready, and when its time has come. */
static void
let_curl_work(const struct pollfd *ready, int nready)
{
	int			running;

	for (int i = 0; i < nready; i++)
	{
		short		seen = ready[i].revents;
		int			what = (seen & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
			(seen & POLLOUT ? CURL_CSELECT_OUT : 0) |
			(seen & (POLLERR | POLLNVAL) ? CURL_CSELECT_ERR : 0);

		if (what != 0)
			curl_multi_socket_action(multi, ready[i].fd, what, &running);
	}
	if (timer > 0 && monotonic_now() >= timer)
	{
		timer = 0;
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

/* Waits for the end of a transfer.  ABORTED: the task is to be abandoned. */
static OutcomeKind
run_request(Task *task, CURLcode *code)
{
	int			running;

	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	for (;;)
	{
		struct pollfd ready[MAX_SOCKETS];
		int			nready = nsockets;
		CURLMsg    *message;
		int			left;

		while ((message = curl_multi_info_read(multi, &left)) != NULL)
		{
			if (message->msg == CURLMSG_DONE)
			{
				*code = message->data.result;
				return OUTCOME_DONE;
			}
		}
		/* curl changes the table while it works */
		memcpy(ready, sockets, sizeof(ready));
		if (!task_wait(task, ready, nready, timer))
			return OUTCOME_ABORTED;
		let_curl_work(ready, nready);
	}
}

/* Tells whether the Content-Type of a response is JSON. */
static bool
is_json(const HttpResponse *response)
{
	const char *type = NULL;
	size_t		len;

	for (int i = 0; i < response->nheaders; i++)
	{
		if (strcmp(response->headers[i].name, "content-type") == 0)
			type = response->headers[i].value.data;
	}
	if (type == NULL)
		return false;
	len = strcspn(type, "; \t,");
	return (len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0) ||
		(len == strlen("text/json") && strncasecmp(type, "text/json", len) == 0) ||
		(len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* Writes bytes as a JSON string of base64 digits. */
static void
write_base64(StringBuf *json, const char *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *) data;

	sb_reserve(json, len / 3 * 4 + 8);
	sb_str(json, "\"");
	for (size_t i = 0; i < len; i += 3)
	{
		unsigned int bits = (unsigned int) p[i] << 16 |
			(i + 1 < len ? (unsigned int) p[i + 1] << 8 : 0) |
			(i + 2 < len ? p[i + 2] : 0);
		char		quad[4] = {
			digits[bits >> 18], digits[bits >> 12 & 63],
			i + 1 < len ? digits[bits >> 6 & 63] : '=',
			i + 2 < len ? digits[bits & 63] : '='
		};

		sb_add(json, quad, 4);
	}
	sb_str(json, "\"");
}

/* Ends the result with the body: JSON, text or base64. */
static void
write_body(Outcome *out, HttpResponse *response)
{
	static const char mark[] = "\xEF\xBB\xBF";
	StringBuf  *body = &response->body;
	size_t		skip = body->len >= 3 && memcmp(body->data, mark, 3) == 0 ? 3 : 0;

	if (!utf8_is_text(body->data, body->len))
	{
		sb_str(&out->result, ",\"data\":null,\"data_base64\":");
		write_base64(&out->result, body->data, body->len);
	}
	else if (body->len > skip && is_json(response))
	{
		sb_str(&out->result, ",\"data\":");
		outcome_attach(out, body->data + skip, body->len - skip);
	}
	else
	{
		sb_str(&out->result, ",\"data\":");
		json_string(&out->result, body->len > 0 ? body->data : "", body->len);
	}
}

/* Describes a response that is a failure: its status, what was asked, what it says. */
static void
describe_failure(Outcome *out, const HttpRequest *request, const char *url, long status,
				 const HttpResponse *response)
{
	sb_printf(&out->error, "HTTP %ld%s%s: %s %s", status, response->reason.len > 0 ? " " : "",
			  response->reason.len > 0 ? response->reason.data : "", request->method, url);
	if (response->body.len > 0)
		outcome_quote(out, ": ", response->body.data, response->body.len, QUOTE_BEGINNING);
	cut_userinfo(&out->error);
}

/* Turns a response into the outcome. */
static OutcomeKind
write_response(Outcome *out, const HttpRequest *request, CURL *easy, HttpResponse *response,
			   double elapsed)
{
	StringBuf  *json = &out->result;
	long		status = 0;
	char	   *url = NULL;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
	out->kind = status >= 400 ? OUTCOME_FAILED : OUTCOME_DONE;
	sb_str(json, "{");
	json_member(json, "status", status >= 400 ? "error" : "success");
	if (status >= 400)
	{
		describe_failure(out, request, url != NULL ? url : "", status, response);
		json_member(json, "error", out->error.data);
	}
	sb_printf(json, ",\"data\":{\"status_code\":%ld,\"headers\":{", status);
	for (int i = 0; i < response->nheaders; i++)
	{
		sb_str(json, i > 0 ? "," : "");
		json_string(json, response->headers[i].name, strlen(response->headers[i].name));
		sb_str(json, ":");
		cut_userinfo(&response->headers[i].value);
		json_string(json, response->headers[i].value.data, response->headers[i].value.len);
	}
	sb_str(json, "}");
	json_member(json, "url", url != NULL ? url : "");
	sb_printf(json, ",\"elapsed\":%.6f", elapsed);
	write_body(out, response);
	sb_str(json, "}}");
	return out->kind;
}

/* Makes the error of a transfer, with what was asked, the failure of the task. */
static OutcomeKind
fail_transfer(Outcome *out, const HttpRequest *request, const HttpResponse *response,
			  CURLcode code)
{
	const char *reason = response->too_large != NULL ? response->too_large :
		response->curl_error[0] != '\0' ? response->curl_error : curl_easy_strerror(code);
	char	   *url = NULL;

	curl_url_get(request->parsed, CURLUPART_URL, &url, 0);
	outcome_fail(out, "%s: %s %s", reason, request->method, url != NULL ? url : "");
	curl_free(url);
	return OUTCOME_FAILED;
}

/* Creates what keeps connections, once; returns false without memory. */
static bool
open_connections(void)
{
	if (multi != NULL)
		return true;
	multi = curl_multi_init();
	if (multi == NULL)
		return false;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
	return true;
}

/* Frees a response. */
static void
free_response(HttpResponse *response)
{
	clear_headers(response);
	sb_free(&response->reason);
	sb_free(&response->body);
	memset(response, 0, sizeof(*response));
}

/*
 * Sends the request once.  DONE: the response is there; FAILED: it is not, and the
 * outcome says why.
 */
static OutcomeKind
transfer(Task *task, HttpRequest *request, CURL *easy, HttpResponse *response, Outcome *out)
{
	CURLcode	code = CURLE_OK;
	OutcomeKind kind;

	curl_easy_reset(easy);
	set_options(easy, request, response, task);
	curl_multi_add_handle(multi, easy);
	kind = run_request(task, &code);
	if (kind == OUTCOME_DONE && code != CURLE_OK)
		kind = fail_transfer(out, request, response, code);
	curl_multi_remove_handle(multi, easy);
	return kind;
}

/*
 * Sends the request and follows redirects.  They are followed here and not by curl,
 * which would send the headers of auth to other hosts.
 */
static OutcomeKind
transfer_all(Task *task, HttpRequest *request, CURL *easy, Outcome *out)
{
	HttpResponse response = {0};
	OutcomeKind kind;
	double		elapsed = 0;

	request->give_up = monotonic_now() + DEFAULT_SECONDS;
	for (int redirects = 0;; redirects++)
	{
		char	   *location = NULL;
		long		status = 0;
		double		took = 0;

		kind = transfer(task, request, easy, &response, out);
		if (kind != OUTCOME_DONE)
			break;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
		curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME, &took);
		elapsed += took;
		if (!request->follow || location == NULL)
			kind = write_response(out, request, easy, &response, elapsed);
		else if (redirects == MAX_REDIRECTS)
			kind = outcome_fail(out, "Maximum (%d) redirects followed", MAX_REDIRECTS);
		else if (http_request_redirect(request, location, status, out))
		{
			free_response(&response);
			continue;
		}
		else
			kind = OUTCOME_FAILED;
		break;
	}
	free_response(&response);
	return kind;
}

/* Executes one task. */
OutcomeKind
http_execute(Task *task, Outcome *out)
{
	HttpRequest request;
	CURL	   *easy = NULL;
	OutcomeKind kind = OUTCOME_FAILED;

	if (http_request_init(&request, task, out))
	{
		easy = open_connections() ? curl_easy_init() : NULL;
		if (easy == NULL)
			kind = outcome_trouble(task, out, "curl could not be initialized");
	}
	if (easy != NULL)
	{
		kind = transfer_all(task, &request, easy, out);
		curl_easy_cleanup(easy);
	}
	http_request_free(&request);
	return kind;
}

/*
 * Fetches a text for a task of another type; the fields of "request" say which and how.
 * Anything but a success of the server is a failure.
 */
OutcomeKind
http_fetch(Task *task, const Task *request, StringBuf *text, Outcome *out)
{
	HttpRequest http;
	HttpResponse response = {0};
	Outcome		said = {0};
	CURL	   *easy = NULL;
	long		status = 0;
	OutcomeKind kind = OUTCOME_FAILED;

	if (http_request_init(&http, request, out))
	{
		easy = open_connections() ? curl_easy_init() : NULL;
		if (easy == NULL)
			kind = outcome_trouble(task, out, "curl could not be initialized");
	}
	if (easy != NULL)
	{
		http.give_up = monotonic_now() + DEFAULT_SECONDS;
		kind = transfer(task, &http, easy, &response, out);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (kind == OUTCOME_DONE && status / 100 != 2)
		{
			describe_failure(&said, &http, http.url.data, status, &response);
			kind = outcome_fail(out, "could not read the script: %s", said.error.data);
			outcome_free(&said);
		}
		else if (kind == OUTCOME_DONE)
			sb_add(text, response.body.data != NULL ? response.body.data : "", response.body.len);
		curl_easy_cleanup(easy);
	}
	free_response(&response);
	http_request_free(&http);
	return kind;
}

/* Initializes curl; returns false when that fails. */
bool
http_available(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}
