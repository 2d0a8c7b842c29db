/*
 * engine/change_act.c
 *		What a rule does for a row that has changed: it starts an execution, or sends a
 *		signal.
 *
 * When a template of the rule fails, an execution starts that fails at once with the
 * error.  What can become no execution is a row of noetl.change_failure.
 */
#include "common/common.h"

#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "engine/change_rule.h"

/* Returns whether a role may execute a function of the extension. */
static bool
may_call(Oid role, char *function)
{
	Oid			any = InvalidOid;
	Oid			oid = LookupFuncName(list_make2(makeString("noetl"), makeString(function)),
									 -1, &any, false);

#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, oid, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(oid, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* Raises unless the role of a rule may do what the rule does (engine/change_rule.h). */
void
change_check_role(const ChangeRule *rule)
{
	bool		allowed;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(rule->made_by)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that made the rule does not exist any more"),
				 errdetail("Its oid was %u.", rule->made_by)));
	if (rule->signal != NULL)
		allowed = may_call(rule->made_by, "send");
	else
		allowed = may_call(rule->made_by, "execute") ||
			pg_class_aclcheck(store_relation(REL_EVENT), rule->made_by, ACL_INSERT) == ACLCHECK_OK;
	if (!allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not %s", GetUserNameFromId(rule->made_by, false),
						rule->signal != NULL ? "send signals" : "start executions"),
				 errhint("Grant it noetl_client, or EXECUTE on noetl.%s().",
						 rule->signal != NULL ? "send" : "execute")));
}

/* Records that nothing could be done for a row (engine/change_rule.h). */
void
change_record_failure(const ChangeRule *rule, const ChangedRow *row, const char *sqlstate,
					  const char *error)
{
	ChangeFailure failure = {rule, sqlstate, error, NULL};
	JsonBuilder builder;
	JsonbValue	value;

	if (row != NULL)
	{
		json_begin_object(&builder);
		json_add_text(&builder, "event", row->event);
		change_rule_add_rows(&builder, row);
		json_end_object(&builder, &value);
		failure.change = json_to_jsonb(&value);
	}
	store_insert_change_failure(&failure);
	ereport(LOG,
			(errmsg("rule \"%s\" has failed: %s", rule->name, error)));
}

/* Sends the signal of a rule. */
static void
send_signal(const CompiledRule *compiled, const ChangedRow *row, const ChangeOutcome *outcome)
{
	SignalRequest request;

	if (outcome->error != NULL)
	{
		change_record_failure(&compiled->rule, row,
							  unpack_sql_state(ERRCODE_INVALID_PARAMETER_VALUE), outcome->error);
		return;
	}
	request.name = outcome->signal;
	request.key = outcome->key;
	request.data = json_to_jsonb(&outcome->parameters);
	request.id = NULL;
	(void) engine_send(&request, 0);
}

/* Returns the context of the execution_start. */
static Jsonb *
start_context(const CompiledRule *compiled, const ChangedRow *row, const ChangeOutcome *outcome)
{
	JsonBuilder builder;
	JsonBuilder rows;
	JsonbValue	value;
	JsonbValue	parameters = outcome->parameters;

	if (outcome->error != NULL)
	{
		json_begin_object(&rows);
		change_rule_add_rows(&rows, row);
		json_end_object(&rows, &parameters);
	}
	json_begin_object(&builder);
	json_add_text(&builder, "path", compiled->rule.path);
	json_add(&builder, "workload", &parameters);
	if (outcome->key != NULL)
		json_add_text(&builder, "key", outcome->key);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/* Starts the execution of a rule; one that fails at once if the rule has failed. */
static void
start_execution(const CompiledRule *compiled, const ChangedRow *row, const ChangeOutcome *outcome)
{
	Store	   *store;
	Event		event;
	JsonBuilder builder;
	JsonbValue	meta;

	memset(&event, 0, sizeof(event));
	event.event_type = event_type_name(EVENT_EXECUTION_START);
	event.context = start_context(compiled, row, outcome);
	json_begin_object(&builder);
	json_add_text(&builder, "rule", compiled->rule.name);
	if (outcome->error != NULL)
		json_add_text(&builder, "refused", outcome->error);
	json_end_object(&builder, &meta);
	event.meta = json_to_jsonb(&meta);
	store = store_open(InvalidOid);
	(void) engine_ingest(store, &event);
	store_close(store);
}

/* Does what a rule says of a row (engine/change_rule.h). */
void
change_act(const CompiledRule *compiled, const ChangedRow *row, const ChangeOutcome *outcome)
{
	if (compiled->rule.signal != NULL)
		send_signal(compiled, row, outcome);
	else
		start_execution(compiled, row, outcome);
}
