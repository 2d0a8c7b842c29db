/*
 * secret.c
 *		Values of credentials that were used, and cutting them out of texts.
 *
 * A server may repeat a password in its error, a tool its key in what it prints.  What
 * this process writes to its log, and what it reports of a task, is searched for each
 * secret that the process has used, as it is and as it looks in JSON, in a URL and in
 * the header of basic authentication.  Short values are no secrets worth the name, and
 * would cut ordinary words.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <curl/curl.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "json_read.h"
#include "secret.h"

#define MIN_SECRET_BYTES 6
#define MIN_LINE_BYTES 16		/* of a line of a secret */
#define MAX_SECRETS 1000
#define REPLACEMENT "[redacted]"

typedef struct Secret
{
	char	   *text;
	size_t		len;
	unsigned long used;			/* when it was remembered last */
} Secret;

/* The longest first: one may be the beginning of another */
static Secret secrets[MAX_SECRETS];
static int	nsecrets = 0;
static unsigned long uses = 0;

/* Forgets the secret that was not used for the longest time. */
static void
forget_oldest(void)
{
	int			oldest = 0;

	for (int i = 1; i < nsecrets; i++)
	{
		if (secrets[i].used < secrets[oldest].used)
			oldest = i;
	}
	free(secrets[oldest].text);
	nsecrets--;
	memmove(&secrets[oldest], &secrets[oldest + 1], sizeof(Secret) * (size_t) (nsecrets - oldest));
}

/* Adds one form of a secret. */
static void
add_form(const char *text, size_t len)
{
	int			place;

	if (len < MIN_SECRET_BYTES)
		return;
	uses++;
	for (int i = 0; i < nsecrets; i++)
	{
		if (secrets[i].len == len && memcmp(secrets[i].text, text, len) == 0)
		{
			secrets[i].used = uses;
			return;
		}
	}
	if (nsecrets == MAX_SECRETS)
		forget_oldest();
	for (place = nsecrets; place > 0 && secrets[place - 1].len < len; place--)
		;
	memmove(&secrets[place + 1], &secrets[place], sizeof(Secret) * (size_t) (nsecrets - place));
	nsecrets++;
	secrets[place] = (Secret) {xmalloc(len + 1), len, uses};
	memcpy(secrets[place].text, text, len);
	secrets[place].text[len] = '\0';
}

/* Adds the lines of a secret that has several, such as a key: programs print by lines. */
static void
add_lines(const char *value)
{
	while (value[0] != '\0')
	{
		size_t		len = strcspn(value, "\r\n");

		if (len >= MIN_LINE_BYTES && strncmp(value, "-----", 5) != 0)
			add_form(value, len);
		value += len;
		value += strspn(value, "\r\n");
	}
}

/* Adds a secret as it looks in a URL. */
static void
add_encoded(const char *value)
{
	StringBuf	text = {0};

	for (const char *p = value; *p != '\0'; p++)
	{
		if (isalnum((unsigned char) *p) || strchr("-._~", *p) != NULL)
			sb_add(&text, p, 1);
		else
			sb_printf(&text, "%%%02X", (unsigned char) *p);
	}
	if (text.len > 0)
		add_form(text.data, text.len);
	sb_free(&text);
}

/* Remembers a secret. */
void
secret_remember(const char *value)
{
	StringBuf	json = {0};

	add_form(value, strlen(value));
	json_string(&json, value, strlen(value));
	add_form(json.data + 1, json.len - 2);
	sb_free(&json);
	if (strchr(value, '\n') != NULL)
		add_lines(value);
	add_encoded(value);
}

/* Remembers what basic authentication makes of a user and a password. */
static void
remember_basic(const char *user, const char *password)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	StringBuf	plain = {0};
	StringBuf	text = {0};

	sb_printf(&plain, "%s:%s", user, password);
	for (size_t i = 0; i < plain.len; i += 3)
	{
		const unsigned char *p = (const unsigned char *) plain.data + i;
		size_t		n = plain.len - i;
		unsigned int bits = (unsigned int) p[0] << 16 | (n > 1 ? (unsigned int) p[1] << 8 : 0) |
			(n > 2 ? p[2] : 0);

		for (size_t j = 0; j < 4; j++)
			sb_add(&text, j <= n ? &digits[bits >> (18 - 6 * j) & 63] : "=", 1);
	}
	add_form(text.data, text.len);
	sb_free(&text);
	sb_free(&plain);
}

/* Tells whether a part of a credential is no secret. */
static bool
is_public(const char *name)
{
	static const char *const names[] = {
		"type", "hosts", "tools", "header", "name", "username", "user", "host", "hostaddr", "port",
		"dbname", "database", "sslmode", "db_host", "db_port", "db_user", "db_name", "db_sslmode",
		"env", "scheme"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Remembers the password of a connection string; false when the text is none. */
static bool
remember_conninfo(const char *text)
{
	PQconninfoOption *parts = PQconninfoParse(text, NULL);

	for (PQconninfoOption *part = parts; part != NULL && part->keyword != NULL; part++)
	{
		if (part->val != NULL && strstr(part->keyword, "password") != NULL)
			secret_remember(part->val);
	}
	PQconninfoFree(parts);
	return parts != NULL;
}

/* Remembers a part of a URL, as it is written there and as it is meant. */
static void
remember_written(const char *text, size_t len)
{
	char	   *meant = curl_easy_unescape(NULL, text, (int) len, NULL);

	add_form(text, len);
	if (meant != NULL)
		secret_remember(meant);
	curl_free(meant);
}

/* Remembers user, password and the values of the query of a URL; false when the text is none. */
static bool
remember_url(const char *text)
{
	static const CURLUPart userinfo[] = {CURLUPART_USER, CURLUPART_PASSWORD};
	CURLU	   *url = curl_url();
	bool		ok = curl_url_set(url, CURLUPART_URL, text,
								  CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
	char	   *meant[2] = {NULL, NULL};
	char	   *query = NULL;

	for (int i = 0; i < 2; i++)
	{
		char	   *written = NULL;

		if (curl_url_get(url, userinfo[i], &written, 0) == CURLUE_OK)
			remember_written(written, strlen(written));
		(void) curl_url_get(url, userinfo[i], &meant[i], CURLU_URLDECODE);
		curl_free(written);
	}
	if (meant[0] != NULL && meant[1] != NULL)
		remember_basic(meant[0], meant[1]);
	(void) curl_url_get(url, CURLUPART_QUERY, &query, 0);
	for (const char *p = query; p != NULL && *p != '\0'; p += strspn(p, "&"))
	{
		size_t		len = strcspn(p, "&");
		const char *mark = memchr(p, '=', len);
		const char *value = mark != NULL ? mark + 1 : p;

		remember_written(value, (size_t) (p + len - value));
		p += len;
	}
	curl_free(meant[0]);
	curl_free(meant[1]);
	curl_free(query);
	curl_url_cleanup(url);
	return ok;
}

/*
 * Remembers what is secret of a part of a credential, whose name may be empty: the
 * password of a connection string, of a URL the parts that can be secret, else all of
 * it unless the name is public.  A URL under another name than url and endpoint may be
 * a secret itself.
 */
static void
remember_part(const char *name, const char *text)
{
	bool		names_url = strcmp(name, "url") == 0 || strcmp(name, "endpoint") == 0;
	bool		is_url;

	if (remember_conninfo(text))
		return;
	is_url = (names_url || strstr(text, "://") != NULL) && remember_url(text);
	if (names_url ? !is_url : !is_public(name))
		secret_remember(text);
}

/* Remembers the secret parts of a credential: those of a map, a password, or all of it. */
void
secret_remember_credential(const char *value)
{
	Task		parts = {0};

	if (credential_parse(&parts, value))
	{
		const char *user = task_field(&parts, "username");
		const char *password = task_field(&parts, "password");

		if (user == NULL)
			user = task_field(&parts, "user");
		if (user != NULL && password != NULL)
			remember_basic(user, password);
		for (int i = 0; i < parts.nfields; i++)
			remember_part(parts.fields[i].path, parts.fields[i].text);
	}
	else
		remember_part("", value);
	credential_free(&parts);
}

/* Tells whether a character can be one of a number. */
static bool
is_of_number(char c)
{
	return isdigit((unsigned char) c) || (c != '\0' && strchr("+-.eE", c) != NULL);
}

/* A walk over JSON, which knows whether it is inside a string */
typedef struct Walk
{
	const char *at;
	bool		in_string;
} Walk;

/* Walks as far as a place. */
static void
walk_to(Walk *walk, const char *place)
{
	for (; walk->at < place; walk->at++)
	{
		if (*walk->at == '"')
			walk->in_string = !walk->in_string;
		else if (*walk->at == '\\' && walk->in_string)
			walk->at++;
	}
}

/*
 * Cuts one secret out of a text; tells whether it was there.  Of JSON, a number that has
 * it goes as a whole, and what stands in its place is a string.
 */
static bool
cut_out(StringBuf *text, const Secret *secret, bool is_json)
{
	const char *from = text->data;
	const char *end = text->data + text->len;
	const char *found;
	Walk		walk = {.at = from};
	StringBuf	rest = {0};

	while ((found = memmem(from, (size_t) (end - from), secret->text, secret->len)) != NULL)
	{
		const char *behind = found + secret->len;
		bool		is_number = is_json;

		for (const char *p = found; is_number && p < behind; p++)
			is_number = is_of_number(*p);
		if (is_number)
			walk_to(&walk, found);
		is_number = is_number && !walk.in_string;
		while (is_number && found > from && is_of_number(found[-1]))
			found--;
		while (is_number && is_of_number(*behind))
			behind++;
		sb_add(&rest, from, (size_t) (found - from));
		sb_str(&rest, is_number ? "\"" REPLACEMENT "\"" : REPLACEMENT);
		from = behind;
	}
	if (from == text->data)
		return false;
	sb_add(&rest, from, (size_t) (end - from));
	sb_free(text);
	*text = rest;
	return true;
}

/* Cuts all secrets out of a text; tells whether there were any. */
static bool
cut_all(StringBuf *text, bool is_json)
{
	bool		any = false;

	for (int i = 0; i < nsecrets && text->len > 0; i++)
		any = cut_out(text, &secrets[i], is_json) || any;
	return any;
}

/* Cuts all secrets out of a text. */
void
secret_redact(StringBuf *text)
{
	(void) cut_all(text, false);
}

/*
 * Cuts all secrets out of JSON, which stays JSON.  Other writers escape what need not be:
 * a secret may show only when that is undone.
 */
void
secret_redact_json(StringBuf *json)
{
	StringBuf	plain = {0};

	if (nsecrets == 0 || json->len == 0)
		return;
	if (memchr(json->data, '\\', json->len) != NULL)
	{
		json_unescape(&plain, json->data);
		if (cut_all(&plain, true))
		{
			sb_free(json);
			*json = plain;
			return;
		}
	}
	sb_free(&plain);
	(void) cut_all(json, true);
}

/*
 * Returns a copy of a text without secrets, to be freed.  A text that is to be cut is
 * redacted before: what is left of a secret at the cut would not be found.
 */
char *
secret_redacted(const char *text, size_t len)
{
	StringBuf	copy = {0};

	sb_str(&copy, "");
	sb_add(&copy, text, len);
	secret_redact(&copy);
	return copy.data;
}
