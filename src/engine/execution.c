/*
 * engine/execution.c
 *		The start of an execution: its playbook, its row, its workload; and its
 *		cancellation.
 */
#include "common/common.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/catalog.h"
#include "engine/internal.h"
#include "broker/broker.h"
#include "playbook/playbook.h"
#include "value/value.h"
#include "wakeup/wakeup.h"

/*
 * Reads an execution that must be there.  Raises when it is not: a user has
 * deleted its row, which the execution lock does not prevent.
 */
void
execution_get(Store *store, int64 execution_id, Execution *execution)
{
	if (!store_get_execution(store, execution_id, execution))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution " INT64_FORMAT " has been deleted", execution_id),
				 errdetail("Its row in noetl.execution is missing while one of its events is decided on."),
				 errhint("Restore the row with noetl.rebuild(), or delete the events of the execution too.")));
}

/* Fills in an event about an execution as a whole, for prepare_event(). */
void
describe_execution(Event *event, EventType type, const Execution *execution)
{
	memset(event, 0, sizeof(Event));
	event->event_type = event_type_name(type);
	event->execution_id = execution->execution_id;
	event->node_name = execution->path;
	event->node_type = "playbook";
}

/*
 * Reads the start parameters, "workload" or "parameters" of the context (NULL:
 * there is none); returns false when there are none.
 */
static bool
start_parameters(const JsonbValue *context, JsonbValue *parameters)
{
	return context != NULL &&
		(json_get(context, "workload", parameters) ||
		 json_get(context, "parameters", parameters)) &&
		parameters->type != jbvNull;
}

/*
 * Returns the version that a context names; 0, the newest, when it names none or
 * says "latest".
 */
static int64
start_version(const JsonbValue *context)
{
	JsonbValue	given;
	int64		version;
	char	   *text;

	if (!json_get(context, "version", &given) || given.type == jbvNull)
		return 0;
	if (json_get_int(context, "version", &version) &&
		version >= 1 && version <= PG_INT32_MAX)
		return version;
	text = json_get_text(context, "version");
	if (text != NULL && pg_strcasecmp(text, "latest") == 0)
		return 0;
	text = JsonbToCString(NULL, &json_to_jsonb(&given)->root, 0);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the version of a playbook must be a number from 1, or \"latest\""),
			 errdetail("The context of the event has %s.", value_clip_name(text, strlen(text))),
			 errhint("Without a version the newest is started.")));
}

/*
 * Finds the playbook of an execution_start and fills in catalog_id and the node
 * columns.  Keeps the playbook from being deleted until the end of the transaction.
 * Raises unless the current role may start it.
 */
void
execution_resolve(Event *event)
{
	JsonbValue	context;
	JsonbValue	parameters;
	char	   *path = NULL;
	int64		version = 0;

	if (event->context != NULL)
	{
		json_from_jsonb(event->context, &context);
		path = json_get_text(&context, "path");
		version = start_version(&context);
	}
	if (path == NULL && event->catalog_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("event \"%s\" names no playbook", event->event_type),
				 errdetail("It has no context with a path."),
				 errhint("Give context {\"path\": …, \"version\": …, \"workload\": {…}}.")));
	if (path != NULL &&
		!catalog_find(path, (int) version, DT_NOEND, &event->catalog_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 version > 0 ?
				 errmsg("playbook \"%s\" version " INT64_FORMAT " is not registered",
						path, version) :
				 errmsg("playbook \"%s\" is not registered", path),
				 errdetail("Event \"%s\" refers to it.", event->event_type),
				 errhint("Register it with noetl.register().")));
	catalog_lock_version(event->catalog_id, false);
	catalog_check_execute(event->catalog_id, GetUserId());
	if (start_parameters(event->context != NULL ? &context : NULL, &parameters) &&
		!json_is_object(&parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the workload of an execution must be a JSON object"),
				 errdetail("Event \"%s\" gives something else.", event->event_type),
				 errhint("Give its parameters by name: {\"name\": value}.")));
	if (event->node_name == NULL)
		event->node_name = path;
	if (event->node_type == NULL)
		event->node_type = "playbook";
}

/* Returns the deadline of an execution; 0: it has none. */
TimestampTz
engine_deadline(const Event *start)
{
	int64		timeout = playbook_get(start->catalog_id)->timeout;

	if (start->timeout > 0 && start->timeout < LONGEST_TIMEOUT &&
		(timeout == 0 || start->timeout < timeout))
		timeout = start->timeout;
	return timeout > 0 ? start->created_at + timeout : 0;
}

/* Adds "settings" to an object if they are not the defaults. */
void
engine_add_settings(JsonBuilder *builder, const Settings *settings)
{
	Jsonb	   *description = settings_describe(settings);
	JsonbValue	value;

	if (description == NULL)
		return;
	json_from_jsonb(description, &value);
	json_add(builder, "settings", &value);
}

/* Returns the labels of an execution: its start's over its playbook's; NULL: none. */
Jsonb *
engine_labels(const Event *start)
{
	Jsonb	   *defaults = playbook_get(start->catalog_id)->labels;
	Jsonb	   *given = start->terms == NULL ? NULL : start->terms->labels;
	JsonbValue	below;
	JsonbValue	above;

	if (defaults == NULL || given == NULL)
		return given != NULL ? given : defaults;
	json_from_jsonb(defaults, &below);
	json_from_jsonb(given, &above);
	json_merge(&below, &above, false, &below);
	return json_to_jsonb(&below);
}

/* Writes the row of noetl.execution for a stored execution_start. */
void
execution_insert(Store *store, const Event *event, Oid started_by)
{
	Execution	execution;
	Execution	parent;

	memset(&execution, 0, sizeof(execution));
	execution.execution_id = event->execution_id;
	execution.catalog_id = event->catalog_id;
	execution.parent_execution_id = event->parent_execution_id;
	if (event->parent_execution_id != 0)
	{
		execution.parent_event_id = event->parent_event_id;
		if (store_get_execution(store, event->parent_execution_id, &parent))
			execution.depth = parent.depth + 1;
	}
	execution.item = event->has_index ? event->current_index : -1;
	execution.started_by = OidIsValid(started_by) ? started_by : GetUserId();
	if (!catalog_describe(event->catalog_id, &execution.path, &execution.version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the playbook to be executed is not registered"),
				 errdetail("There is no catalog entry " INT64_FORMAT ".", event->catalog_id),
				 errhint("Register the playbook with noetl.register().")));
	execution.settings = event->settings != NULL ? *event->settings : default_settings;
	engine_fill_terms(&execution, event);
	if (!execution.scheduled)
		execution.deadline = engine_deadline(event);
	else if (!TIMESTAMP_IS_NOEND(execution.run_at))
		wake_for_timer(execution.run_at);
	if (execution.deadline != 0)
		wake_for_timer(execution.deadline);
	store_insert_execution(store, &execution, event->created_at);
}

/*
 * Renders the workload of an execution: the playbook's defaults, with the start
 * parameters, which are data, laid over them.  Returns NULL, or the text of the
 * error.
 */
char *
engine_render_workload(BrokerState *state, const Event *event, Jsonb **workload)
{
	SourceError error;
	JsonbValue	context;
	JsonbValue	parameters;
	JsonbValue	merged;
	JsonbValue	deep;
	JsonBuilder empty;

	memset(&error, 0, sizeof(error));
	json_begin_object(&empty);
	json_end_object(&empty, &merged);
	if (event->context != NULL)
		json_from_jsonb(event->context, &context);
	if (!start_parameters(event->context != NULL ? &context : NULL, &parameters))
		parameters = merged;
	if (!workload_defaults(state, event->created_at, &parameters, &merged, &error))
		return scope_error_text(&error);
	if (event->context != NULL)
		json_merge(&merged, &parameters,
				   json_get(&context, "merge", &deep) && value_json_truth(&deep), &merged);
	*workload = json_to_jsonb(&merged);
	return NULL;
}

/* Renders the workload and stores it.  Returns NULL, or the text of the error. */
char *
execution_make_workload(Store *store, BrokerState *state, const Event *event)
{
	Jsonb	   *workload;
	char	   *error = engine_render_workload(state, event, &workload);

	if (error == NULL)
		store_insert_workload(store, event->execution_id, event->created_at, workload);
	return error;
}

/* Cancels an execution whose lock is held; one that is over stays as it is. */
void
execution_cancel(int64 execution_id, const char *reason)
{
	Store	   *store = store_open(InvalidOid);
	Execution	execution;
	Event		event;

	if (store_get_execution(store, execution_id, &execution) && execution.running)
	{
		memset(&event, 0, sizeof(event));
		event.execution_id = execution_id;
		event.event_type = event_type_name(EVENT_EXECUTION_CANCELLED);
		event.error = reason;
		(void) engine_ingest(store, &event);
	}
	store_close(store);
}
