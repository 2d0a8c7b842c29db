/*
 * credential.c
 *		Credentials of this machine: NOETL_AUTH_<NAME> in the environment, a file, or
 *		what a command says.
 *
 * A credential with several parts is a flat JSON object.  It is parsed here, not by
 * the server as other JSON is: the server may log its statements.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "credential_source.h"
#include "environment.h"
#include "json_read.h"
#include "options.h"
#include "secret.h"

#define PREFIX "NOETL_AUTH_"
#define MAX_CREDENTIAL_FIELDS 64

/*
 * Looks for a credential in the environment, in files and by the command, in this
 * order.  *variable becomes the name of the variable that was looked for.  Returns its
 * value, which holds until the next call, NULL with a failed outcome when there is
 * none.  From now on the value is cut out of what this process writes.
 */
const char *
credential_value(const char *name, StringBuf *variable, Outcome *out)
{
	static StringBuf value;
	StringBuf	problem = {0};
	const char *found;

	sb_reset(variable);
	sb_str(variable, PREFIX);
	for (const char *p = name; *p != '\0'; p++)
	{
		char		c = (char) (isalnum((unsigned char) *p) ?
								toupper((unsigned char) *p) : '_');

		sb_add(variable, &c, 1);
	}
	sb_reset(&value);
	found = environment_value(variable->data);
	if (found == NULL && (credential_from_files(name, &value, &problem) ||
						  (problem.len == 0 && credential_from_command(name, &value, &problem))))
		found = value.data;
	if (found != NULL)
		secret_remember_credential(found);
	else if (problem.len > 0)
		outcome_fail(out, "credential \"%s\" cannot be used: %s", name, problem.data);
	else
		outcome_fail(out, "credential \"%s\" is not known here: the worker has no"
					 " environment variable %s%s", name, variable->data,
					 options.credentials != NULL ? ", and no file in --credentials" : "");
	sb_free(&problem);
	return found;
}

/* Tells whether a playbook may name a variable as a secret: NOETL_AUTH_* only. */
bool
credential_is_variable(const char *variable)
{
	return strncmp(variable, PREFIX, strlen(PREFIX)) == 0 && variable[strlen(PREFIX)] != '\0';
}

/* Reads one "key": value of a flat object into a field. */
static const char *
read_member(const char *p, Field *field)
{
	StringBuf	path = {0};
	StringBuf	text = {0};

	p = json_read_string(p, &path);
	p = p != NULL ? json_skip_space(p) : NULL;
	p = p != NULL && *p == ':' ? json_skip_space(p + 1) : NULL;
	*field = (Field) {.depth = 1,.type = 's',.path = path.data};
	if (p != NULL && *p == '"')
		p = json_read_string(p, &text);
	else if (p != NULL)
	{
		size_t		len = strspn(p, "-+.0123456789abcdefghijklmnopqrstuvwxyzE");

		sb_add(&text, p, len);
		field->type = strcmp(text.data, "null") == 0 ? '0' : 'n';
		p = len > 0 ? p + len : NULL;
	}
	field->text = text.data;
	return p != NULL ? json_skip_space(p) : NULL;
}

/* Takes a flat JSON object apart; returns false for other text. */
bool
credential_parse(Task *credential, const char *p)
{
	credential->fields = xcalloc(MAX_CREDENTIAL_FIELDS, sizeof(Field));
	p = json_skip_space(p);
	if (*p != '{')
		return false;
	p = json_skip_space(p + 1);
	while (*p != '}')
	{
		if (credential->nfields == MAX_CREDENTIAL_FIELDS)
			return false;
		p = read_member(p, &credential->fields[credential->nfields++]);
		if (p == NULL || (*p != ',' && *p != '}'))
			return false;
		if (*p == ',')
		{
			p = json_skip_space(p + 1);
			if (*p == '}')
				return false;
		}
	}
	return *json_skip_space(p + 1) == '\0';
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
