/*
 * form.c
 *		Forms made from JSON, and JSON made from forms.
 *
 * A field "v:NAME" has the value of a member, "t:NAME" its type: text, choice (of texts, or
 * a text that may be left out), number, boolean or json.  "r:NAME" has the title of a member
 * that the schema requires.
 * The database reads and writes the JSON.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "page.h"

#define MAX_MEMBERS		"100"
/* Longer names of fields are not read */
#define MAX_NAME		1996
/* Between the choices of a list */
#define SEPARATOR		"\x1f"

/*
 * Appends a list of choices, which separators separate.  The first one is empty, unless a
 * value is required and one is chosen: nobody sends what he has not chosen.
 */
static void
append_choices(PQExpBuffer out, const char *name, const char *required, const char *choices,
			   const char *value)
{
	char	   *copy = xstrdup(choices);
	char	   *rest = copy;
	char	   *choice;
	bool		chosen = false;
	PQExpBufferData all;

	initPQExpBuffer(&all);
	while ((choice = strsep(&rest, SEPARATOR)) != NULL)
	{
		bool		selected = strcmp(choice, value) == 0;

		/* a browser sends the text with single blanks only, unless there is a value */
		if (strpbrk(choice, " \t\r\n\f"))
			html(&all, "<option value=\"%s\"%r>%s</option>", choice, selected ? " selected" : "",
				 choice);
		else
			html(&all, "<option%r>%s</option>", selected ? " selected" : "", choice);
		chosen = chosen || selected;
	}
	html(out, "<select name=\"v:%s\"%r>%r%r</select>", name, required,
		 required[0] && chosen ? "" : "<option value=\"\">–</option>", all.data);
	termPQExpBuffer(&all);
	free(copy);
}

/* Appends the input field of one member: name, type, value, title, required, choices, help. */
static void
append_input(PQExpBuffer out, const PGresult *rows, int row)
{
	const char *name = db_text(rows, row, 0);
	const char *type = db_text(rows, row, 1);
	const char *value = db_text(rows, row, 2);
	const char *required = db_true(rows, row, 4) ? " required" : "";
	const char *choices = db_value(rows, row, 5);
	const char *title = db_value(rows, row, 3) ? db_text(rows, row, 3) : name;

	if (choices == NULL && strcmp(type, "boolean") == 0)
		choices = "true" SEPARATOR "false";
	html(out, "<label>%s%r", title, required[0] ? " <span aria-hidden=\"true\">*</span>" : "");
	html(out, "<input type=\"hidden\" name=\"t:%s\" value=\"%s\">", name, type);
	if (required[0])
		html(out, "<input type=\"hidden\" name=\"r:%s\" value=\"%s\">", name, title);
	if (choices)
		append_choices(out, name, required, choices, value);
	else if (strcmp(type, "number") == 0)
		html(out, "<input name=\"v:%s\" inputmode=\"decimal\" value=\"%s\"%r>", name, value,
			 required);
	else if (strcmp(type, "json") == 0 || strlen(value) > 60 || strchr(value, '\n'))
		html(out, "<textarea name=\"v:%s\" rows=\"3\" spellcheck=\"false\"%r>\n%s</textarea>", name,
			 required, value);
	else
		html(out, "<input name=\"v:%s\" value=\"%s\"%r>", name, value, required);
	if (db_value(rows, row, 6))
		html(out, "<span class=\"note\">%s</span>", db_text(rows, row, 6));
	html(out, "</label>\n");
}

/* Appends an input field for each row; returns how many there are. */
static int
append_inputs(PQExpBuffer out, PGresult *rows)
{
	int			count = rows ? PQntuples(rows) : 0;

	for (int i = 0; i < count; i++)
		append_input(out, rows, i);
	PQclear(rows);
	return count;
}

static const char form_of_schema_query[] =
	"SELECT p.key, CASE WHEN p.value ->> 'type' IN ('number', 'integer') THEN 'number'"
	" WHEN p.value ->> 'type' = 'boolean' THEN 'boolean'"
	" WHEN p.value ->> 'type' IN ('object', 'array') OR jsonb_typeof(p.value -> 'enum' -> 0) <> 'string'"
	" THEN 'json' WHEN jsonb_typeof(p.value -> 'enum' -> 0) = 'string' THEN 'choice'"
	" ELSE 'text' END,"
	" p.value ->> 'default', p.value ->> 'title', coalesce($1::jsonb -> 'required' ? p.key, false),"
	" (SELECT string_agg(e.v, chr(31) ORDER BY e.n)"
	" FROM jsonb_array_elements_text(CASE jsonb_typeof(p.value -> 'enum') WHEN 'array'"
	" THEN p.value -> 'enum' ELSE '[]' END) WITH ORDINALITY AS e (v, n)),"
	" p.value ->> 'description'"
	" FROM jsonb_each(CASE jsonb_typeof($1::jsonb -> 'properties') WHEN 'object'"
	" THEN $1::jsonb -> 'properties' ELSE '{}' END) AS p"
	" WHERE jsonb_typeof(p.value) = 'object'"
	" ORDER BY coalesce($1::jsonb -> 'required' ? p.key, false) DESC, p.key LIMIT " MAX_MEMBERS;

/* Appends a form of a JSON schema (page.h). */
int
form_of_schema(Request *request, PQExpBuffer out, const char *schema)
{
	return append_inputs(out, db_query(request, form_of_schema_query, 1, schema));
}

/*
 * A default with a template is none that a field could have: what a start gives is never
 * rendered.  Its field is empty, and then not given.
 */
static const char form_of_defaults_query[] =
	"SELECT p.key, CASE jsonb_typeof(p.value) WHEN 'string' THEN CASE WHEN p.is_template"
	" THEN 'choice' ELSE 'text' END WHEN 'number' THEN 'number'"
	" WHEN 'boolean' THEN 'boolean' ELSE 'json' END,"
	" CASE WHEN p.is_template THEN '' ELSE p.said END, NULL, false, NULL,"
	" CASE WHEN p.is_template THEN 'Empty: ' || left(p.said, 1000) END"
	" FROM (SELECT w.key, w.value, w.value::text ~ '\\{[{%#]' AS is_template,"
	" CASE jsonb_typeof(w.value) WHEN 'string' THEN w.value #>> '{}' ELSE w.value::text END AS said"
	" FROM jsonb_each(CASE jsonb_typeof($1::jsonb) WHEN 'object' THEN $1::jsonb ELSE '{}' END) AS w"
	" LIMIT " MAX_MEMBERS ") AS p";

/* Appends a form of defaults whose types show (page.h). */
int
form_of_defaults(Request *request, PQExpBuffer out, const char *defaults)
{
	return append_inputs(out, db_query(request, form_of_defaults_query, 1, defaults));
}

static const char form_value_query[] =
	"SELECT coalesce(jsonb_object_agg(g.key, CASE WHEN g.value ->> 'type' IN ('text', 'choice')"
	" THEN g.value -> 'text' ELSE (g.value ->> 'text')::jsonb END), '{}')"
	" FROM json_each($1::json) AS j CROSS JOIN LATERAL (SELECT j.key, j.value::jsonb AS value) AS g"
	" WHERE g.value ->> 'type' = 'text' OR g.value ->> 'text' <> ''";

/* Returns the value of the field of the same member with another letter; NULL: it has none. */
static const char *
field_beside(const Request *request, const char *name, char letter)
{
	char		other[MAX_NAME + 1];

	if (strlen(name) > MAX_NAME)
		return NULL;
	strcpy(other, name);
	other[0] = letter;
	return field_or(request, other, NULL);
}

/*
 * Whether a form has all that its schema requires; a browser insists on it, too.  If not,
 * request->error says what it has not.
 */
static bool
is_complete(Request *request)
{
	for (int i = 0; i < request->nfields; i++)
	{
		const char *name = request->fields[i].name;

		if (strncmp(name, "r:", 2) != 0 || field_beside(request, name, 'v'))
			continue;
		resetPQExpBuffer(&request->error);
		request->denied = false;
		html(&request->error, "<p><b>The form has no value for “%s”.</b></p>",
			 request->fields[i].value);
		return false;
	}
	return true;
}

/* Returns the JSON of a form (page.h). */
char *
form_value(Request *request)
{
	PQExpBufferData given;
	PGresult   *rows;
	char	   *value = NULL;
	const char *json = field_or(request, "json", NULL);

	if (!is_complete(request))
		return NULL;
	if (json)
		rows = db_query(request, "SELECT $1::jsonb", 1, json);
	else
	{
		initPQExpBuffer(&given);
		html(&given, "{");
		for (int i = 0; i < request->nfields; i++)
		{
			const char *name = request->fields[i].name;
			const char *type;

			if (strncmp(name, "v:", 2) != 0 || strlen(name) > MAX_NAME)
				continue;
			type = field_beside(request, name, 't');
			html(&given, given.len > 1 ? "," : "");
			json_quote(&given, name + 2);
			html(&given, ":{\"type\":");
			json_quote(&given, type ? type : "text");
			html(&given, ",\"text\":");
			json_quote(&given, request->fields[i].value);
			html(&given, "}");
		}
		html(&given, "}");
		/* an empty field of another type than text is not given */
		rows = db_query(request, form_value_query, 1, given.data);
		termPQExpBuffer(&given);
	}
	if (rows)
		value = xstrdup(db_text(rows, 0, 0));
	PQclear(rows);
	return value;
}
