/*
 * credential.c
 *		Credentials of this machine: NOETL_AUTH_<NAME> in the environment.
 *
 * A credential with several parts is a flat JSON object.  It is parsed here, not by
 * the server as other JSON is: the server may log its statements.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "environment.h"

#define PREFIX "NOETL_AUTH_"
#define MAX_CREDENTIAL_FIELDS 64

/*
 * Returns the value of a credential, NULL when it is unknown; *variable becomes the
 * name of the variable that was looked for.
 */
const char *
credential_value(const char *name, StringBuf *variable)
{
	sb_reset(variable);
	sb_str(variable, PREFIX);
	for (const char *p = name; *p != '\0'; p++)
	{
		char		c = (char) (isalnum((unsigned char) *p) ?
								toupper((unsigned char) *p) : '_');

		sb_add(variable, &c, 1);
	}
	return environment_value(variable->data);
}

/* Tells whether a playbook may name a variable as a secret: NOETL_AUTH_* only. */
bool
credential_is_variable(const char *variable)
{
	return strncmp(variable, PREFIX, strlen(PREFIX)) == 0 && variable[strlen(PREFIX)] != '\0';
}

/* Skips what JSON allows between its tokens. */
static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Appends a code point as UTF-8. */
static void
add_code_point(StringBuf *sb, unsigned long c)
{
	unsigned char bytes[4];
	size_t		len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; c >>= 6)
		bytes[i] = (unsigned char) (0x80 | (c & 0x3F));
	bytes[0] = (unsigned char) (len == 1 ? c : c | (0xF00 >> len & 0xFF));
	sb_add(sb, bytes, len);
}

/* Reads the four digits of a \u escape; returns -1 for other text. */
static long
read_hex4(const char *p)
{
	char		digits[5] = {0};

	for (int i = 0; i < 4; i++)
	{
		if (!isxdigit((unsigned char) p[i]))
			return -1;
		digits[i] = p[i];
	}
	return strtol(digits, NULL, 16);
}

/* Reads a \u escape or a pair of them; returns NULL for other text. */
static const char *
read_unicode(const char *p, StringBuf *text)
{
	long		c = read_hex4(p);
	long		low;

	if (c <= 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return NULL;
	p += 4;
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		low = p[0] == '\\' && p[1] == 'u' ? read_hex4(p + 2) : -1;
		if (low < 0xDC00 || low > 0xDFFF)
			return NULL;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
		p += 6;
	}
	add_code_point(text, (unsigned long) c);
	return p;
}

/* Reads a JSON string; returns what follows it, NULL for other text. */
static const char *
read_string(const char *p, StringBuf *text)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";

	sb_str(text, "");
	if (*p++ != '"')
		return NULL;
	while (p != NULL && *p != '"')
	{
		const char *found;

		if ((unsigned char) *p < ' ')
			return NULL;
		if (*p != '\\')
			sb_add(text, p++, 1);
		else if (p[1] == 'u')
			p = read_unicode(p + 2, text);
		else if (p[1] != '\0' && (found = strchr(escapes, p[1])) != NULL)
		{
			sb_add(text, &values[found - escapes], 1);
			p += 2;
		}
		else
			return NULL;
	}
	return p != NULL ? p + 1 : NULL;
}

/* Reads one "key": value of a flat object into a field. */
static const char *
read_member(const char *p, Field *field)
{
	StringBuf	path = {0};
	StringBuf	text = {0};

	p = read_string(p, &path);
	p = p != NULL ? skip_space(p) : NULL;
	p = p != NULL && *p == ':' ? skip_space(p + 1) : NULL;
	*field = (Field) {.depth = 1,.type = 's',.path = path.data};
	if (p != NULL && *p == '"')
		p = read_string(p, &text);
	else if (p != NULL)
	{
		size_t		len = strspn(p, "-+.0123456789abcdefghijklmnopqrstuvwxyzE");

		sb_add(&text, p, len);
		field->type = strcmp(text.data, "null") == 0 ? '0' : 'n';
		p = len > 0 ? p + len : NULL;
	}
	field->text = text.data;
	return p != NULL ? skip_space(p) : NULL;
}

/* Takes a flat JSON object apart; returns false for other text. */
bool
credential_parse(Task *credential, const char *p)
{
	credential->fields = xcalloc(MAX_CREDENTIAL_FIELDS, sizeof(Field));
	p = skip_space(p);
	if (*p != '{')
		return false;
	p = skip_space(p + 1);
	while (*p != '}')
	{
		if (credential->nfields == MAX_CREDENTIAL_FIELDS)
			return false;
		p = read_member(p, &credential->fields[credential->nfields++]);
		if (p == NULL || (*p != ',' && *p != '}'))
			return false;
		if (*p == ',')
		{
			p = skip_space(p + 1);
			if (*p == '}')
				return false;
		}
	}
	return *skip_space(p + 1) == '\0';
}

/* Frees the fields that credential_parse() has made. */
void
credential_free(Task *credential)
{
	for (int i = 0; i < credential->nfields; i++)
	{
		free(credential->fields[i].path);
		free(credential->fields[i].text);
	}
	free(credential->fields);
	memset(credential, 0, sizeof(*credential));
}
