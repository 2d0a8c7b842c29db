/*
 * http_request.c
 *		The request of an http task.
 *
 *		method			default GET
 *		url, endpoint
 *		headers			map
 *		params, query	map, appended to the url; a list repeats its key
 *		payload, body, json
 *						a map or list is sent as JSON, or urlencoded when the
 *						Content-Type says so; a text is sent as it is
 *		form			map, sent urlencoded
 *						HEAD has none of these bodies
 *		data			the step's input, in which the broker has merged args
 *						and what transitions added
 *
 * The input may spell the request out: its maps query (or params) and headers
 * are laid over those of the step, and its body (or payload, json) is the body; its
 * other members are for templates only then.  Otherwise the input is the query of
 * GET, HEAD and DELETE unless the step has params, and the JSON body of the other
 * methods unless the step has a body.  The broker merges payload into the input too;
 * its members do not count as input here, so that {"query": {...}} can be a payload.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "url.h"

#define TOKEN_CHARACTERS \
	"!#$%&'*+-.^_`|~0123456789" \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define FORM_TYPE "application/x-www-form-urlencoded"

/*
 * Finds a field of any type.  The depth tells the member "a.b" of a map from
 * the member b of its member a.
 */
const Field *
http_field(const Task *task, const char *path, int depth)
{
	for (int i = 0; i < task->nfields; i++)
	{
		if (task->fields[i].depth == depth && strcmp(task->fields[i].path, path) == 0)
			return &task->fields[i];
	}
	return NULL;
}

/* Returns the name of a field that is a member of a map or a list, else NULL. */
const char *
http_member(const Field *map, const Field *field)
{
	size_t		len = strlen(map->path);

	if (field->depth != map->depth + 1 || strncmp(field->path, map->path, len) != 0 ||
		field->path[len] != '.')
		return NULL;
	return field->path + len + 1;
}

/* Returns the field of the first key that has a value, or NULL. */
static const Field *
first_of(const Task *task, const char *const *keys)
{
	for (; *keys != NULL; keys++)
	{
		const Field *field = http_field(task, *keys, 1);

		if (field != NULL && field->type != '0')
			return field;
	}
	return NULL;
}

/* Returns a part of the input that spells the request out, or NULL. */
static const Field *
input_part(const Task *task, const char *key, bool map_only)
{
	char		path[64];
	const Field *field;

	snprintf(path, sizeof(path), "data.%s", key);
	field = http_field(task, path, 2);
	if (field == NULL || field->type == '0' || (map_only && field->type != 'o'))
		return NULL;
	snprintf(path, sizeof(path), "payload.%s", key);
	return http_field(task, path, 2) == NULL ? field : NULL;
}

/* Reads a boolean that may be text; absent means true. */
static bool
read_switch(const Task *task, const char *key, const char *alias)
{
	static const char *const no[] = {"false", "no", "off", "0"};
	const char *text = task_field(task, key);

	if (text == NULL)
		text = task_field(task, alias);
	for (size_t i = 0; text != NULL && i < sizeof(no) / sizeof(no[0]); i++)
	{
		if (strcasecmp(text, no[i]) == 0)
			return false;
	}
	return true;
}

/* Appends text, percent-encoded. */
static void
add_escaped(StringBuf *sb, const char *text)
{
	static const char plain[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~";

	for (; *text != '\0'; text++)
	{
		if (strchr(plain, *text) != NULL)
			sb_add(sb, text, 1);
		else
			sb_printf(sb, "%%%02X", (unsigned char) *text);
	}
}

/* Appends name=value with the separator it needs. */
static void
add_pair(StringBuf *sb, const char *name, const char *value, char separator)
{
	if (separator != '\0')
		sb_add(sb, &separator, 1);
	add_escaped(sb, name);
	sb_str(sb, "=");
	add_escaped(sb, value);
}

/*
 * Appends the members of a map as a query, without null ones and without those that
 * the map `above` has too.
 */
static void
add_pairs(StringBuf *sb, const Task *task, const Field *map, const Field *above,
		  char separator)
{
	for (int i = 0; map != NULL && i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];
		const char *name = http_member(map, field);
		StringBuf	path = {0};
		const Field *item;
		bool		hidden;

		if (name == NULL || field->type == '0')
			continue;
		if (above != NULL)
			sb_printf(&path, "%s.%s", above->path, name);
		hidden = above != NULL && http_field(task, path.data, above->depth + 1) != NULL;
		if (!hidden && field->type != 'a')
		{
			add_pair(sb, name, field->text, separator);
			separator = '&';
		}
		for (int n = 0; !hidden && field->type == 'a'; n++)
		{
			sb_reset(&path);
			sb_printf(&path, "%s.%d", field->path, n);
			item = http_field(task, path.data, field->depth + 1);
			if (item == NULL)
				break;
			if (item->type == '0')
				continue;
			add_pair(sb, name, item->text, separator);
			separator = '&';
		}
		sb_free(&path);
	}
}

/* Tells whether a header line has a name, in any case. */
static bool
has_name(const char *line, const char *name)
{
	size_t		len = strlen(name);

	return strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';');
}

/* Returns the value of a header of the request, NULL when it has none. */
static const char *
find_header(const HttpRequest *request, const char *name)
{
	const struct curl_slist *lists[] = {request->headers, request->auth_headers};

	for (int i = 0; i < 2; i++)
	{
		for (const struct curl_slist *item = lists[i]; item != NULL; item = item->next)
		{
			if (has_name(item->data, name))
				return item->data + strlen(name) + 1;
		}
	}
	return NULL;
}

/* Removes the headers of a name that the task gives. */
static void
remove_header(HttpRequest *request, const char *name)
{
	struct curl_slist *kept = NULL;

	for (const struct curl_slist *item = request->headers; item != NULL; item = item->next)
	{
		if (!has_name(item->data, name))
			kept = curl_slist_append(kept, item->data);
	}
	curl_slist_free_all(request->headers);
	request->headers = kept;
}

/*
 * Adds a header unless the request has one of that name.  Refuses line ends, with
 * which a value could become further headers.  Returns false with a failed outcome.
 */
bool
http_add_header(HttpRequest *request, const char *name, const char *value, Outcome *out)
{
	StringBuf	line = {0};
	struct curl_slist **headers = request->adds_auth ? &request->auth_headers : &request->headers;
	struct curl_slist *list;

	if (name[0] == '\0' || name[strspn(name, TOKEN_CHARACTERS)] != '\0')
	{
		outcome_fail(out, "invalid header name \"%s\"", name);
		return false;
	}
	if (strpbrk(value, "\r\n") != NULL)
	{
		outcome_fail(out, "the value of the header \"%s\" contains a line end", name);
		return false;
	}
	if (find_header(request, name) != NULL)
		return true;
	/* that is how curl spells an empty header; "name:" would remove one */
	if (value[strspn(value, " \t")] == '\0')
		sb_printf(&line, "%s;", name);
	else
		sb_printf(&line, "%s: %s", name, value);
	list = curl_slist_append(*headers, line.data);
	sb_free(&line);
	if (list == NULL)
	{
		outcome_fail(out, "out of memory");
		return false;
	}
	*headers = list;
	return true;
}

/* Adds the headers of a map; returns false with a failed outcome. */
static bool
add_headers(HttpRequest *request, const Task *task, const Field *map, Outcome *out)
{
	for (int i = 0; map != NULL && i < task->nfields; i++)
	{
		const Field *field = &task->fields[i];
		const char *name = http_member(map, field);

		if (name != NULL && field->type != '0' &&
			!http_add_header(request, name, field->text, out))
			return false;
	}
	return true;
}

/*
 * Copies the url without its fragment.  Behind the host, characters that a url must
 * not have are encoded, because values of templates have them.
 */
static bool
copy_url(HttpRequest *request, const Task *task, Outcome *out)
{
	const char *url = task_field(task, "url");
	const char *p;
	size_t		len;

	if (url == NULL || url[0] == '\0')
		url = task_field(task, "endpoint");
	if (url == NULL || url[strspn(url, " \t\r\n")] == '\0')
	{
		outcome_fail(out, "the http task has no url");
		return false;
	}
	if (strstr(url, "{{") != NULL)
	{
		outcome_fail(out, "the url contains a template that could not be rendered: %s", url);
		cut_userinfo(&out->error);
		return false;
	}
	url += strspn(url, " \t\r\n");
	len = strcspn(url, "#");
	while (len > 0 && isspace((unsigned char) url[len - 1]))
		len--;
	p = strstr(url, "://");
	p = p != NULL && p < url + len ? p + 3 : url;
	p += strcspn(p, "/?#");
	if (p > url + len)
		p = url + len;
	sb_add(&request->url, url, (size_t) (p - url));
	for (; p < url + len; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c <= ' ' || c >= 0x7F)
			sb_printf(&request->url, "%%%02X", c);
		else
			sb_add(&request->url, p, 1);
	}
	return true;
}

/* Moves user and password from the url to the basic authentication of the request. */
static void
take_userinfo(HttpRequest *request)
{
	char	   *user = NULL;
	char	   *password = NULL;

	(void) curl_url_get(request->parsed, CURLUPART_USER, &user, CURLU_URLDECODE);
	(void) curl_url_get(request->parsed, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
	if (user != NULL || password != NULL)
	{
		request->username = xstrdup(user != NULL ? user : "");
		request->password = xstrdup(password != NULL ? password : "");
		(void) curl_url_set(request->parsed, CURLUPART_USER, NULL, 0);
		(void) curl_url_set(request->parsed, CURLUPART_PASSWORD, NULL, 0);
	}
	curl_free(user);
	curl_free(password);
}

/* Parses the url; returns false with a failed outcome. */
static bool
parse_url(HttpRequest *request, Outcome *out)
{
	CURLUcode	code;

	request->parsed = curl_url();
	code = request->parsed == NULL ? CURLUE_OUT_OF_MEMORY :
		curl_url_set(request->parsed, CURLUPART_URL, request->url.data,
					 CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
	if (code != CURLUE_OK)
	{
		cut_userinfo(&request->url);
		outcome_fail(out, "invalid url \"%s\"", request->url.data);
		return false;
	}
	take_userinfo(request);
	return true;
}

/* Tells whether the method has its parameters in the query. */
static bool
uses_query(const HttpRequest *request)
{
	return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0 ||
		strcmp(request->method, "DELETE") == 0;
}

/* Appends the query to the url. */
static void
add_query(HttpRequest *request, const Task *task, const Field *own, const Field *above)
{
	StringBuf  *url = &request->url;
	char		separator = '?';

	if (strchr(url->data, '?') != NULL)
		separator = strchr("?&", url->data[url->len - 1]) != NULL ? '\0' : '&';
	for (int i = 0; i < 2; i++)
	{
		size_t		before = url->len;

		add_pairs(url, task, i == 0 ? own : above, i == 0 ? above : NULL, separator);
		if (url->len > before)
			separator = '&';
	}
}

/* Tells whether the Content-Type of the task contains a text. */
static bool
content_type_is(const HttpRequest *request, const char *type)
{
	const char *value = find_header(request, "Content-Type");

	return value != NULL && strcasestr(value, type) != NULL;
}

/* Writes the body, and a Content-Type unless the task has one. */
static bool
write_body(HttpRequest *request, const Task *task, const Field *field, Outcome *out)
{
	const char *key = strrchr(field->path, '.');
	const char *type = "application/json";
	bool		form;

	key = key != NULL ? key + 1 : field->path;
	form = strcmp(key, "form") == 0;
	request->has_body = true;
	sb_str(&request->body, "");
	if (form && field->type != 'o')
	{
		outcome_fail(out, "form is not a map");
		return false;
	}
	if (strchr("oa", field->type) != NULL && content_type_is(request, "multipart/form-data"))
	{
		outcome_fail(out, "multipart/form-data is not supported, except as a text that is so already");
		return false;
	}
	if (form || (field->type == 'o' && content_type_is(request, FORM_TYPE)))
	{
		add_pairs(&request->body, task, field, NULL, '\0');
		type = FORM_TYPE;
	}
	else if (field->type == 's' && strcmp(key, "json") == 0)
		json_string(&request->body, field->text, strlen(field->text));
	else
	{
		sb_str(&request->body, field->text);
		if (field->type == 's')
			type = "text/plain; charset=utf-8";
	}
	return http_add_header(request, "Content-Type", type, out);
}

/* Returns the part of the input under the first key that has one, or NULL. */
static const Field *
input_part_of(const Task *task, const char *const *keys, bool map_only)
{
	const Field *field = NULL;

	for (; field == NULL && *keys != NULL; keys++)
		field = input_part(task, *keys, map_only);
	return field;
}

/* Returns the input, NULL when it is empty. */
static const Field *
plain_input(const Task *task)
{
	const Field *data = http_field(task, "data", 1);

	for (int i = 0; data != NULL && data->type == 'o' && i < task->nfields; i++)
	{
		if (http_member(data, &task->fields[i]) != NULL)
			return data;
	}
	return NULL;
}

/* Distributes the task's members over url, headers and body. */
static bool
fill_request(HttpRequest *request, const Task *task, Outcome *out)
{
	static const char *const query_keys[] = {"params", "query", NULL};
	static const char *const body_keys[] = {"payload", "body", "json", "form", NULL};
	static const char *const input_query_keys[] = {"query", "params", NULL};
	static const char *const input_body_keys[] = {"body", "payload", "json", "form", NULL};
	static const char *const input_headers[] = {"headers", NULL};
	const Field *query = first_of(task, query_keys);
	const Field *body = first_of(task, body_keys);
	const Field *above = input_part_of(task, input_query_keys, true);
	const Field *headers = input_part_of(task, input_headers, true);
	const Field *input_body = input_part_of(task, input_body_keys, false);
	const Field *data = plain_input(task);
	bool		spelled_out = above != NULL || headers != NULL || input_body != NULL;

	if (query != NULL && query->type != 'o')
	{
		outcome_fail(out, "%s is not a map", query->path);
		return false;
	}
	if (input_body != NULL)
		body = input_body;
	else if (!spelled_out && body == NULL && data != NULL)
	{
		if (!uses_query(request))
			body = data;
		else if (query == NULL)
			query = data;
	}
	if (body != NULL && strcmp(request->method, "HEAD") == 0)
	{
		outcome_fail(out, "a HEAD request has no body, and the task has %s", body->path);
		return false;
	}
	add_query(request, task, query, above);
	return parse_url(request, out) &&
		add_headers(request, task, headers, out) &&
		add_headers(request, task, http_field(task, "headers", 1), out) &&
		http_add_auth(request, task, out) &&
		(body == NULL || write_body(request, task, body, out));
}

/*
 * Reads the request of a task.  Returns false with a failed outcome.  The caller
 * calls http_request_free() in either case.
 */
bool
http_request_init(HttpRequest *request, const Task *task, Outcome *out)
{
	const char *method = task_field(task, "method");

	memset(request, 0, sizeof(*request));
	request->method = xstrdup(method != NULL && method[0] != '\0' ? method : "GET");
	for (char *p = request->method; *p != '\0'; p++)
		*p = (char) toupper((unsigned char) *p);
	if (request->method[strspn(request->method, LETTERS)] != '\0')
	{
		outcome_fail(out, "invalid method \"%s\"", request->method);
		return false;
	}
	request->verify = read_switch(task, "verify", "verify_ssl");
	request->follow = read_switch(task, "follow_redirects", "allow_redirects");
	return copy_url(request, task, out) && fill_request(request, task, out);
}

/*
 * Returns the headers to send: those of the task, and those that auth set as long
 * as the url has its origin.  The request owns them.
 */
struct curl_slist *
http_request_headers(HttpRequest *request)
{
	struct curl_slist *lists[] = {request->headers, request->auth_headers};

	curl_slist_free_all(request->sent);
	request->sent = NULL;
	for (int i = 0; i < 2; i++)
	{
		for (const struct curl_slist *item = lists[i]; item != NULL; item = item->next)
			request->sent = curl_slist_append(request->sent, item->data);
	}
	return request->sent;
}

/* Removes all authentication, because the request goes to another origin. */
static void
drop_identity(HttpRequest *request)
{
	curl_slist_free_all(request->auth_headers);
	request->auth_headers = NULL;
	free(request->username);
	free(request->password);
	request->username = NULL;
	request->password = NULL;
	remove_header(request, "Authorization");
	remove_header(request, "Cookie");
	remove_header(request, "Host");
}

/*
 * Makes the request that follows a redirect with a status to an absolute url.  As
 * browsers do, 303 and a POST that meets 301 or 302 become a GET without body.
 * Returns false with a failed outcome.
 */
bool
http_request_redirect(HttpRequest *request, const char *url, long status, Outcome *out)
{
	CURLU	   *before = request->parsed;
	bool		is_post = strcmp(request->method, "POST") == 0;

	sb_reset(&request->url);
	sb_str(&request->url, url);
	request->parsed = NULL;
	if (!parse_url(request, out))
	{
		curl_url_cleanup(before);
		return false;
	}
	if (!url_same_origin(before, request->parsed))
		drop_identity(request);
	curl_url_cleanup(before);
	if ((status == 303 && strcmp(request->method, "HEAD") != 0) ||
		((status == 301 || status == 302) && is_post))
	{
		free(request->method);
		request->method = xstrdup("GET");
		request->has_body = false;
		remove_header(request, "Content-Type");
	}
	return true;
}

/* Frees a request. */
void
http_request_free(HttpRequest *request)
{
	free(request->method);
	free(request->username);
	free(request->password);
	sb_free(&request->url);
	sb_free(&request->body);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->auth_headers);
	curl_slist_free_all(request->sent);
	curl_url_cleanup(request->parsed);
}
