/*
 * playbook/limit.c
 *		Compiles "limits" of a step or of the playbook: how many tasks or
 *		executions may be under way at the same time, and how many may begin in a
 *		span of time.
 *
 *		limits:
 *		  - {name: api, key: "{{ tenant }}", concurrency: 5}
 *		  - {name: api_rate, rate: {limit: 100, per: minute, burst: 10}}
 */
#include "common/common.h"

#include <ctype.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "playbook/duration.h"
#include "playbook/internal.h"

#define LONGEST_LIMIT_NAME	200 /* bytes */

static const char *const on_limit_words[] = {
	"wait", "skip", "cancel_oldest", "cancel_newest"
};

/* Reports that a limit makes no sense. */
static void
limit_error(Compiler *compiler, const YamlNode *node, char *hint, const char *message)
{
	playbook_issue(compiler, ISSUE_ERROR, ERRCODE_INVALID_OBJECT_DEFINITION, node, hint,
				   "%s", message);
}

/* Reads a positive integer; returns 0 when it is missing or reported. */
static int
positive(Compiler *compiler, const YamlNode *node, const char *key)
{
	char	   *text = node == NULL ? NULL : playbook_scalar_text(node);
	char	   *end = NULL;
	long		number = 0;

	if (node == NULL)
		return 0;
	errno = 0;
	if (text != NULL)
		number = strtol(text, &end, 10);
	if (text != NULL && end != text && *end == '\0' && errno == 0 && number > 0 &&
		number <= PG_INT32_MAX)
		return (int) number;
	limit_error(compiler, node, "It is no template: noetl.set_limit() changes it at any time.",
				psprintf("%s must be a positive integer", key));
	return 0;
}

/* Reads the span of time of a rate, in microseconds: "second", 30, "5 minutes". */
static int64
rate_span(Compiler *compiler, const YamlNode *node, const YamlNode *rate)
{
	JsonbValue	value;
	char	   *text = node == NULL ? NULL : playbook_scalar_text(node);
	char	   *error = "a rate needs per: second, minute, hour, day or a span of time";
	int64		us = 0;

	if (text != NULL && isalpha((unsigned char) text[0]))
		json_string(&value, psprintf("1 %s", text));
	else if (text != NULL)
		yaml_to_json(node, &value);
	if (text == NULL || !timeout_parse(&value, &us, &error))
		limit_error(compiler, node != NULL ? node : rate,
					"Write rate: {limit: 100, per: minute}.", error);
	return us;
}

/* Reads a rate. */
static void
compile_rate(Compiler *compiler, LimitSpec *limit, const YamlNode *node)
{
	if (node == NULL)
		return;
	if (node->kind != YN_MAP)
	{
		limit_error(compiler, node, "Write rate: {limit: 100, per: minute}.",
					"the rate of a limit must be a mapping");
		return;
	}
	limit->rate = positive(compiler, playbook_member(node, "limit"), "limit of a rate");
	limit->per = rate_span(compiler, playbook_member(node, "per"), node);
	limit->burst = positive(compiler, playbook_member(node, "burst"), "burst");
	if (limit->burst == 0)
		limit->burst = 1;
	if (playbook_member(node, "limit") == NULL)
		limit_error(compiler, node, "Write rate: {limit: 100, per: minute}.",
					"a rate needs a limit");
}

/* Reads what happens to that which is over the limit. */
static OnLimit
compile_on_limit(Compiler *compiler, const YamlNode *node)
{
	char	   *word = node == NULL ? NULL : playbook_scalar_text(node);

	if (node == NULL)
		return LIMIT_WAIT;
	for (int i = 0; word != NULL && i < lengthof(on_limit_words); i++)
		if (pg_strcasecmp(word, on_limit_words[i]) == 0)
			return (OnLimit) i;
	limit_error(compiler, node, "It is wait, skip, cancel_oldest or cancel_newest.",
				"unknown on_limit");
	return LIMIT_WAIT;
}

/* Warns of keys that a limit does not have. */
static void
check_limit_keys(Compiler *compiler, const YamlNode *node)
{
	for (int i = 0; i < node->count; i++)
		if (!key_in(node->pairs[i].key->string, limit_keys))
			playbook_issue(compiler, ISSUE_WARNING, ERRCODE_WARNING, node->pairs[i].key,
						   "A limit has name, key, concurrency, rate and on_limit.",
						   "\"%s\" has no effect in a limit", node->pairs[i].key->string);
}

/* Compiles one limit; returns false when it is reported. */
static bool
compile_limit(Compiler *compiler, LimitSpec *limit, const YamlNode *node)
{
	const YamlNode *key;

	if (node->kind != YN_MAP)
	{
		limit_error(compiler, node, "Write limits: [{name: api, concurrency: 5}].",
					"a limit must be a mapping");
		return false;
	}
	check_limit_keys(compiler, node);
	limit->name = playbook_scalar_text(playbook_member(node, "name"));
	if (limit->name == NULL || strlen(limit->name) > LONGEST_LIMIT_NAME ||
		template_has_tags(limit->name, strlen(limit->name)))
	{
		limit_error(compiler, node, "The name is no template; the key can be one.",
					"a limit needs a name of 1 to 200 bytes");
		return false;
	}
	key = playbook_member(node, "key");
	if (key != NULL)
		limit->key = playbook_compile_doc(compiler, key);
	limit->concurrency = positive(compiler, playbook_member(node, "concurrency"),
								  "concurrency");
	compile_rate(compiler, limit, playbook_member(node, "rate"));
	limit->on_limit = compile_on_limit(compiler, playbook_member(node, "on_limit"));
	return true;
}

/* For qsort: by name, the order in which the limits of a task are asked for. */
static int
compare_limits(const void *a, const void *b)
{
	return strcmp(((const LimitSpec *) a)->name, ((const LimitSpec *) b)->name);
}

/* Compiles limits; returns how many there are. */
int
playbook_compile_limits(Compiler *compiler, const YamlNode *node, LimitSpec **limits)
{
	int			n = 0;
	int			count;

	*limits = NULL;
	if (node == NULL)
		return 0;
	count = node->kind == YN_LIST ? node->count : 1;
	*limits = palloc0(sizeof(LimitSpec) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (compile_limit(compiler, &(*limits)[n],
						  node->kind == YN_LIST ? node->items[i] : node))
			n++;
	qsort(*limits, n, sizeof(LimitSpec), compare_limits);
	for (int i = 1; i < n; i++)
		if (strcmp((*limits)[i - 1].name, (*limits)[i].name) == 0)
			limit_error(compiler, node, "Write it once.",
						psprintf("limit \"%s\" is written twice", (*limits)[i].name));
	return n;
}

/* Returns the text of a rendered key (playbook/internal.h). */
char *
playbook_key_text(const JsonbValue *key)
{
	char	   *written;
	Datum		digest;

	if (key->type == jbvNull)
		written = pstrdup("");
	else if (key->type == jbvString)
		written = pnstrdup(key->val.string.val, key->val.string.len);
	else
		written = JsonbToCString(NULL, &json_to_jsonb(key)->root, 0);
	if (strlen(written) <= LONGEST_LIMIT_NAME)
		return written;
	digest = DirectFunctionCall1(md5_text, CStringGetTextDatum(written));
	return text_to_cstring(DatumGetTextPP(digest));
}

/* Adds a member to an object, behind the others; returns where its value belongs. */
static JsonbValue *
add_member(JsonbValue *object, const char *name)
{
	JsonbPair  *pair = &object->val.object.pairs[object->val.object.nPairs++];

	json_string(&pair->key, name);
	pair->order = 0;
	return &pair->value;
}

/*
 * Fills in one rendered limit.  A task has its limits rendered each time, so the members
 * are written in the order that jsonb keeps them in: the shorter ones first.
 */
static void
fill_limit(const LimitSpec *spec, const char *key, JsonbValue *limit)
{
	limit->type = jbvObject;
	limit->val.object.nPairs = 0;
	limit->val.object.pairs = palloc(sizeof(JsonbPair) * 7);
	json_string(add_member(limit, "key"), key);
	if (spec->rate > 0)
		json_int(add_member(limit, "per"), spec->per);
	json_string(add_member(limit, "name"), spec->name);
	if (spec->rate > 0)
	{
		json_int(add_member(limit, "rate"), spec->rate);
		json_int(add_member(limit, "burst"), spec->burst);
	}
	if (spec->on_limit != LIMIT_WAIT)
		json_string(add_member(limit, "on_limit"), on_limit_words[spec->on_limit]);
	if (spec->concurrency > 0)
		json_int(add_member(limit, "concurrency"), spec->concurrency);
}

/*
 * Renders limits as they stand in noetl.queue; *limits is NULL when there are none.
 * False and *error when the template of a key raises.
 */
bool
limits_render(const LimitSpec *specs, int count, const TemplateScope *scope, Jsonb **limits,
			  SourceError *error)
{
	JsonbValue	list;

	*limits = NULL;
	if (count == 0)
		return true;
	list.type = jbvArray;
	list.val.array.nElems = count;
	list.val.array.rawScalar = false;
	list.val.array.elems = palloc(sizeof(JsonbValue) * count);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	key;

		json_null(&key);
		if (specs[i].key != NULL && !template_doc_render(specs[i].key, scope, &key, error))
			return false;
		fill_limit(&specs[i], playbook_key_text(&key), &list.val.array.elems[i]);
	}
	*limits = JsonbValueToJsonb(&list);
	return true;
}
