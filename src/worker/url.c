/*
 * url.c
 *		Parts of URLs, and what must not be shown of them.
 */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "url.h"

/* Returns a part of a URL, to be freed by curl_free(); NULL when it has none. */
static char *
part_of(CURLU *url, CURLUPart part)
{
	char	   *text = NULL;

	if (curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) !=
		CURLUE_OK)
		return NULL;
	return text;
}

/* Tells whether two URLs agree in a part. */
static bool
same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char	   *one = part_of(a, part);
	char	   *other = part_of(b, part);
	bool		same = one != NULL && other != NULL && strcasecmp(one, other) == 0;

	curl_free(one);
	curl_free(other);
	return same;
}

/* Tells whether two URLs have the same scheme, host and port. */
bool
url_same_origin(CURLU *a, CURLU *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
		same_part(a, b, CURLUPART_PORT);
}

/* Tells whether a host is one of an entry: a name, *.domain, or * for any. */
static bool
host_matches(const char *entry, size_t len, const char *host)
{
	size_t		host_len = strlen(host);

	if (len == 1 && entry[0] == '*')
		return true;
	if (len > 2 && entry[0] == '*' && entry[1] == '.')
		return host_len > len - 1 &&
			strncasecmp(host + host_len - (len - 1), entry + 1, len - 1) == 0;
	return len == host_len && strncasecmp(entry, host, len) == 0;
}

/* Tells whether an entry, [scheme://]host[:port], is about a URL. */
static bool
entry_matches(const char *entry, size_t len, CURLU *url)
{
	char	   *scheme = part_of(url, CURLUPART_SCHEME);
	char	   *host = part_of(url, CURLUPART_HOST);
	char	   *port = part_of(url, CURLUPART_PORT);
	const char *mark = memmem(entry, len, "://", 3);
	const char *colon;
	bool		ok = scheme != NULL && host != NULL && port != NULL;

	if (ok && mark != NULL)
	{
		size_t		scheme_len = (size_t) (mark - entry);

		ok = strlen(scheme) == scheme_len && strncasecmp(scheme, entry, scheme_len) == 0;
		len -= scheme_len + 3;
		entry = mark + 3;
	}
	/* the colons of an IPv6 address are inside brackets */
	colon = memrchr(entry, ':', len);
	if (colon != NULL && memchr(colon, ']', len - (size_t) (colon - entry)) != NULL)
		colon = NULL;
	if (ok && colon != NULL)
	{
		size_t		port_len = len - (size_t) (colon + 1 - entry);

		ok = strlen(port) == port_len && memcmp(port, colon + 1, port_len) == 0;
		len = (size_t) (colon - entry);
	}
	ok = ok && host_matches(entry, len, host);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return ok;
}

/* Tells whether a list of entries, separated by commas or spaces, has one for a URL. */
bool
url_is_bound(CURLU *url, const char *hosts)
{
	while (*hosts != '\0')
	{
		size_t		len = strcspn(hosts, ", \t\r\n");

		if (len > 0 && entry_matches(hosts, len, url))
			return true;
		hosts += len;
		hosts += strspn(hosts, ", \t\r\n");
	}
	return false;
}

/* Returns the next :// of a text, NULL when there is none; looks at nothing behind it. */
static const char *
next_mark(const char *from, const char *end)
{
	const char *p = memchr(from, ':', (size_t) (end - from));

	while (p != NULL && (end - p < 3 || p[1] != '/' || p[2] != '/'))
		p = memchr(p + 1, ':', (size_t) (end - p - 1));
	return p;
}

/* Cuts user:password@ from every URL in a text, in time linear in it. */
void
cut_userinfo(StringBuf *text)
{
	const char *from = text->data;
	const char *end = text->data + text->len;
	char	   *to = text->data;
	const char *mark;

	if (text->len == 0)
		return;
	while ((mark = next_mark(from, end)) != NULL)
	{
		const char *rest = mark + 3;

		/* of several @ the last one ends it */
		for (const char *q = rest; q < end && strchr("/?#\"'<> \\\t\r\n", *q) == NULL; q++)
		{
			if (*q == '@')
				rest = q + 1;
		}
		memmove(to, from, (size_t) (mark + 3 - from));
		to += mark + 3 - from;
		from = rest;
	}
	memmove(to, from, (size_t) (end - from));
	text->len = (size_t) (to + (end - from) - text->data);
	text->data[text->len] = '\0';
}
