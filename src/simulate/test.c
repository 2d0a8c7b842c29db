/*
 * simulate/test.c
 *		noetl.test(): the tests that a playbook has under "tests" are played and
 *		compared.
 *
 * A test is {name, description, parameters, stubs, at, expect}.  Whatever is wrong with
 * one is the detail of its row, and the others go on.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"
#include "simulate/internal.h"

PG_FUNCTION_INFO_V1(noetl_test);

/* Returns {}. */
Jsonb *
empty_object(void)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Compiles a playbook; *root: its document (or NULL: it is not wanted).  Raises its
 * first error; warnings are those of noetl.validate() and are not repeated here.
 */
Playbook *
compile_for_play(const text *content, const YamlNode **root)
{
	Document	document;
	Playbook   *playbook = catalog_compile_document(content, false, &document);

	if (playbook == NULL)
		catalog_report_issues(&document, document.path);
	if (root != NULL)
		*root = document.root;
	return playbook;
}

/* SimRequest.tell: keeps a copy of a row for comparison. */
static void
keep_row(void *arg, const SimRow *row)
{
	Findings   *findings = (Findings *) arg;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(findings));
	SimRow	   *copy = palloc(sizeof(SimRow));

	*copy = *row;
	copy->event_type = pstrdup(row->event_type);
	copy->step = row->step == NULL ? NULL : pstrdup(row->step);
	copy->status = row->status == NULL ? NULL : pstrdup(row->status);
	copy->data = log_copy_jsonb(row->data);
	findings->rows = lappend(findings->rows, copy);
	MemoryContextSwitchTo(old);
}

/* Returns why a test cannot be played as it is written; NULL: it can. */
static char *
read_test(const JsonbValue *test, SimRequest *request, JsonbValue *expect)
{
	static const char *const known[] = {
		"name", "description", "parameters", "stubs", "at", "expect", NULL
	};
	JsonbIterator *it;
	JsonbValue	key;
	JsonbValue	value;
	char	   *error = NULL;

	if (!json_is_object(test))
		return pstrdup("a test must be a mapping: name, parameters, stubs, at, expect");
	it = json_walk(test);
	while (json_next_member(&it, &key, &value))
		if (!word_in(key.val.string.val, key.val.string.len, known))
			return psprintf("unknown key \"%.*s\" of a test", key.val.string.len,
							key.val.string.val);
	json_from_jsonb(empty_object(), &request->stubs);
	request->parameters = empty_object();
	request->at = GetCurrentTimestamp();
	if (json_get(test, "parameters", &value) && value.type != jbvNull)
	{
		if (!json_is_object(&value))
			return pstrdup("parameters must be a mapping");
		request->parameters = json_to_jsonb(&value);
	}
	if (json_get(test, "stubs", &value) && value.type != jbvNull)
		request->stubs = value;
	if (json_get(test, "at", &value) && value.type != jbvNull &&
		(value.type != jbvString ||
		 !moment_parse(pnstrdup(value.val.string.val, value.val.string.len), NULL,
					   &request->at, &error) || !simulation_may_begin(request->at)))
		return error != NULL ? error :
			pstrdup("at must be the text of a time before the year 10000");
	if (!json_get(test, "expect", expect) || !json_is_object(expect) ||
		JsonContainerSize(expect->val.binary.data) == 0)
		return pstrdup("the test expects nothing: write expect with status, result, error, steps, not_steps or tasks");
	return stub_check(request->playbook, &request->stubs);
}

/* Plays a test.  Returns NULL when all is as expected, else what differs. */
static char *
play_test(const Playbook *playbook, const JsonbValue *test)
{
	SimRequest	request;
	Findings   *findings = palloc0(sizeof(Findings));
	JsonbValue	expect;
	char	   *error;

	memset(&request, 0, sizeof(request));
	request.playbook = playbook;
	request.tell = keep_row;
	request.arg = findings;
	error = read_test(test, &request, &expect);
	if (error != NULL)
		return error;
	simulation_play(&request, &findings->outcome);
	return expect_compare(playbook, &expect, findings);
}

/* Returns the name of a test, or its number. */
static char *
test_name(const JsonbValue *test, int number)
{
	JsonbValue	name;

	if (!json_get(test, "name", &name) || name.type == jbvNull)
		return psprintf("test %d", number);
	if (name.type == jbvString)
		return pnstrdup(name.val.string.val, name.val.string.len);
	return JsonbToCString(NULL, &json_to_jsonb(&name)->root, 0);
}

/* Plays one test and puts its row into the result set. */
static void
return_test(ReturnSetInfo *info, const Playbook *playbook, const JsonbValue *test, int number)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	char	   *detail = play_test(playbook, test);

	values[0] = CStringGetTextDatum(test_name(test, number));
	values[1] = BoolGetDatum(detail == NULL);
	nulls[2] = detail == NULL;
	values[2] = detail == NULL ? (Datum) 0 : CStringGetTextDatum(detail);
	tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

/* noetl.test(content): a row for each test of a playbook. */
Datum
noetl_test(PG_FUNCTION_ARGS)
{
	const YamlNode *root;
	const Playbook *playbook = compile_for_play(PG_GETARG_TEXT_PP(0), &root);
	const YamlNode *node = yaml_member(root, "tests");
	ReturnSetInfo *info = rows_begin(fcinfo);
	MemoryContext memory;
	MemoryContext old;
	JsonbValue	tests;
	int			count;

	if (node == NULL || node->kind == YN_NULL)
		return (Datum) 0;
	if (node->kind != YN_LIST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("\"tests\" of a playbook must be a list"),
				 errdetail("Line %d, column %d.", node->line, node->column),
				 errhint("Write a list of {name, parameters, stubs, at, expect}.")));
	yaml_to_json(node, &tests);
	count = node->count;
	memory = AllocSetContextCreate(CurrentMemoryContext, "noetl test", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(memory);
		return_test(info, playbook,
					getIthJsonbValueFromContainer(tests.val.binary.data, i), i + 1);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	return (Datum) 0;
}
