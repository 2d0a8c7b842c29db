/*
 * common/guc.c
 *		The settings of the extension (GUCs), except those of the background
 *		processes.
 */
#include "common/common.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "common/guc.h"

int			noetl_isolation = ISOLATION_OWNER;
int			noetl_on_error = ON_ERROR_SETTING_FAIL;
bool		noetl_broker = true;
bool		noetl_notify = false;
bool		noetl_superuser_saves = false;
int			noetl_max_visits = DEFAULT_MAX_VISITS;
int			noetl_max_lost_leases = DEFAULT_MAX_LOST_LEASES;
int			noetl_max_depth = DEFAULT_MAX_DEPTH;
int			noetl_max_family = DEFAULT_MAX_FAMILY;
int			noetl_max_family_live = DEFAULT_MAX_FAMILY_LIVE;
int			noetl_node_id = 0;
int			noetl_priority_age = 600000;
int			noetl_template_coerce = COERCE_CONTAINERS;
int			noetl_template_max_output = DEFAULT_TEMPLATE_MAX_OUTPUT;
int			noetl_template_max_iterations = DEFAULT_TEMPLATE_MAX_ITERATIONS;
int			noetl_template_max_memory = DEFAULT_TEMPLATE_MAX_MEMORY;
int			noetl_template_max_time = DEFAULT_TEMPLATE_MAX_TIME;

static const struct config_enum_entry coerce_options[] = {
	{"off", COERCE_OFF, false},
	{"containers", COERCE_CONTAINERS, false},
	{"all", COERCE_ALL, false},
	{NULL, 0, false}
};

static const struct config_enum_entry isolation_options[] = {
	{"owner", ISOLATION_OWNER, false},
	{"off", ISOLATION_OFF, false},
	{NULL, 0, false}
};

static const struct config_enum_entry on_error_options[] = {
	{"fail", ON_ERROR_SETTING_FAIL, false},
	{"hold", ON_ERROR_SETTING_HOLD, false},
	{NULL, 0, false}
};

/* Defines noetl.on_error. */
static void
define_on_error(void)
{
	DefineCustomEnumVariable("noetl.on_error",
							 "What becomes of a step that fails and has no on_error.",
							 "fail: its execution fails; hold: it is held until noetl.retry() or noetl.skip().",
							 &noetl_on_error, ON_ERROR_SETTING_FAIL,
							 on_error_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
}

/* Defines noetl.isolation. */
static void
define_isolation(void)
{
	DefineCustomEnumVariable("noetl.isolation",
							 "From whom events about an execution are accepted.",
							 "owner: members of its role, noetl_admin, and of a leased task who has leased it; off: everybody with the privilege.",
							 &noetl_isolation, ISOLATION_OWNER,
							 isolation_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
}

/* Defines noetl.archive, which only noetl.maintain() reads, in SQL. */
static void
define_archive(void)
{
	static char *archive = NULL;

	DefineCustomStringVariable("noetl.archive",
							   "Function that noetl.maintain() calls with the executions that it is going to remove.",
							   "schema.name, with one argument of type bigint[]; empty: none.",
							   &archive, "", PGC_SUSET, 0,
							   NULL, NULL, NULL);
}

/* Defines noetl.max_lost_leases. */
static void
define_max_lost_leases(void)
{
	DefineCustomIntVariable("noetl.max_lost_leases",
							"How often a task whose lease runs out goes back into the queue.",
							"The next loss fails its step.",
							&noetl_max_lost_leases, DEFAULT_MAX_LOST_LEASES, 0, INT_MAX,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
}

/* Defines noetl.priority_age. */
static void
define_priority_age(void)
{
	DefineCustomIntVariable("noetl.priority_age",
							"How long a task waits until that is worth a step of priority.",
							"0: tasks do not age, and those of a lower priority wait for all others.",
							&noetl_priority_age, 600000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* Defines noetl.template_*. */
static void
define_templates(void)
{
	DefineCustomEnumVariable("noetl.template_coerce",
							 "Which rendered text becomes a JSON value again.",
							 "off: none; containers: text that is wholly an object or array; all: scalars too.",
							 &noetl_template_coerce, COERCE_CONTAINERS,
							 coerce_options, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.template_max_output",
							"Largest value a template may produce.",
							NULL,
							&noetl_template_max_output,
							DEFAULT_TEMPLATE_MAX_OUTPUT, 1024, 255 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.template_max_iterations",
							"How many loop iterations one evaluation of a template may take.",
							NULL,
							&noetl_template_max_iterations,
							DEFAULT_TEMPLATE_MAX_ITERATIONS, 1, INT_MAX, PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.template_max_memory",
							"How much memory an evaluation or compilation of templates may take.",
							"Holds for the compilation of a whole playbook, too.",
							&noetl_template_max_memory,
							DEFAULT_TEMPLATE_MAX_MEMORY, 1024, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.template_max_time",
							"How long one evaluation of a template may take.",
							"0: without a bound of its own.",
							&noetl_template_max_time,
							DEFAULT_TEMPLATE_MAX_TIME, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* Defines the settings; called once by each process that loads the library. */
void
guc_define(void)
{
	define_isolation();
	define_archive();
	define_on_error();
	define_max_lost_leases();
	define_priority_age();
	DefineCustomBoolVariable("noetl.broker",
							 "Decide what comes next when an event is inserted.",
							 "Off: events are stored and noetl.enqueue_next() evaluates them later.",
							 &noetl_broker, true, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("noetl.notify",
							 "Send NOTIFY noetl_queue when a transaction enqueues tasks.",
							 "Serialises commits; noetl.wait_for_work() does not need it.",
							 &noetl_notify, false, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	/* after the start of the server, only its configuration can set a SIGHUP setting */
	DefineCustomBoolVariable("noetl.superuser_saves",
							 "Let saves act as superusers.",
							 "Off: a save of an execution that a superuser started fails.",
							 &noetl_superuser_saves, false,
							 process_shared_preload_libraries_in_progress ?
							 PGC_POSTMASTER : PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.max_visits",
							"How often one step of an execution may run.",
							NULL,
							&noetl_max_visits, DEFAULT_MAX_VISITS, 1, INT_MAX, PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.max_depth",
							"How deep child playbooks may nest.",
							NULL,
							&noetl_max_depth, DEFAULT_MAX_DEPTH, 1, 10000, PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.max_family",
							"How many executions one execution may start, through children of children too.",
							"A sample is counted.",
							&noetl_max_family, DEFAULT_MAX_FAMILY, 1, INT_MAX, PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.max_family_live",
							"How many of them may run at the same time.",
							"A sample is counted.",
							&noetl_max_family_live, DEFAULT_MAX_FAMILY_LIVE, 1, INT_MAX,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("noetl.node_id",
							"Number of this database among those that share executions.",
							"Becomes part of every new id.",
							&noetl_node_id, 0, 0, 1023, PGC_SUSET, 0,
							NULL, NULL, NULL);
	define_templates();
	injection_define();
}
