/*
 * fuzz_template.c
 *		libFuzzer over scanner, parser and evaluator of the template engine.
 *
 * The engine uses PostgreSQL's memory contexts, error handling, jsonb and
 * numeric.  Rather than imitate them, this is a module that a single-user
 * postgres loads at start: when _PG_init runs, all of that is initialised,
 * and no database is open yet, so nothing but the engine can happen.  The
 * engine's sources are compiled into the module with AddressSanitizer and
 * UndefinedBehaviorSanitizer; fuzz_alloc.h gives each of their allocations
 * red zones of its own.
 */
#include "common/common.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "jinja/jinja.h"
#include "value/value.h"
#include "fuzz_alloc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*callback)(const uint8_t *data, size_t size));

static const char context_text[] =
	"{\"a\": {\"b\": [1, 2.5, \"x\", null, {\"x\": true}], \"items\": 1}, \"n\": 42, \"f\": 2.675,"
	" \"s\": \"Hello <b>W\\u00f6rld</b> http://example.com/a\", \"xs\": [3, 1, 2, 10000000000000000000000],"
	" \"ys\": [\"b\", \"A\", \"\\u03a3\"], \"d\": {\"k\": \"v\", \"z\": null},"
	" \"rows\": [{\"a\": 1, \"name\": \"x\"}, {\"a\": 2, \"name\": \"Y\"}],"
	" \"step\": {\"status\": \"ok\", \"data\": {\"x\": 1}}}";

static Jsonb *context;

/* Free names are the members of the context; one is the value of a step. */
static TemplateBinding
lookup(void *arg, const char *name, int length, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(&context->root, name, length, value) == NULL)
		return length == 1 ? TEMPLATE_UNDEFINED : TEMPLATE_UNKNOWN;
	return length == 4 && memcmp(name, "step", 4) == 0 ? TEMPLATE_STEP_VALUE : TEMPLATE_VALUE;
}

/* One input: the first byte chooses what is done with the rest. */
static int
run_one(const uint8_t *data, size_t size)
{
	static MemoryContext memory = NULL;
	TemplateScope scope = {.lookup = lookup};
	SourceError error;
	JsonbValue	value;
	Template *template;
	bool		truth;

	if (size < 1 || memchr(data, '\0', size) != NULL)
		return -1;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	noetl_template_coerce = data[0] % 3;
	if (data[0] & 1)
	{
		template = template_compile((const char *) data + 1, size - 1, TEMPLATE_CONDITION, &error);
		if (template)
			(void) template_truth(template, &scope, &truth, &error);
	}
	else if (data[0] & 2)
	{
		TemplateDoc *doc;

		value.type = jbvString;
		value.val.string.val = (char *) data + 1;
		value.val.string.len = size - 1;
		doc = template_doc_compile(&value, &error);
		scope.needs = NEEDS_NAMES;
		if (doc)
			(void) template_doc_render(doc, &scope, &value, &error);
	}
	else
	{
		template = template_compile((const char *) data + 1, size - 1, TEMPLATE_TEXT, &error);
		if (template && template_render(template, &scope, &value, &error))
			(void) value_json_truth(&value);
	}
	MemoryContextSwitchTo(TopMemoryContext);
	(MemoryContextReset) (memory);
	fuzz_free_all();
	return 0;
}

/* Runs the fuzzer with the arguments in NOETL_FUZZ_ARGS, then exits. */
void
_PG_init(void)
{
	static char *argv[64] = {"fuzz_template"};
	char	  **arguments = argv;
	int			argc = 1;
	char	   *text = strdup(getenv("NOETL_FUZZ_ARGS") ? getenv("NOETL_FUZZ_ARGS") : "");
	char	   *word;

	for (word = strtok(text, " "); word && argc < 63; word = strtok(NULL, " "))
		argv[argc++] = word;
	(void) set_stack_base();	/* PostgreSQL itself does so only later */
	SetDatabaseEncoding(PG_UTF8);
	noetl_template_max_output = 100000;
	noetl_template_max_iterations = 5000;
	noetl_template_max_time = 0;	/* no timer works yet; libFuzzer has one */
	context = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(context_text)));
	_exit(LLVMFuzzerRunDriver(&argc, &arguments, run_one));
}
