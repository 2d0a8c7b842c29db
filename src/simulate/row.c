/*
 * simulate/row.c
 *		What is told of a play: a row for each event and for each task.
 */
#include "common/common.h"

#include "simulate/internal.h"

/* Hands a row on; rows and their bytes are counted, which bounds the play. */
static void
tell(Simulation *simulation, const SimRow *row)
{
	simulation->rows++;
	simulation->bytes += VARSIZE(row->data);
	simulation->request->tell(simulation->request->arg, row);
}

/* Returns how many ancestors an execution has. */
static int
depth_of(const SimExecution *execution)
{
	return execution->model->execution.depth;
}

/* Returns the name of a step, after the names of the steps that called its execution. */
static const char *
full_name(const SimExecution *execution, const char *step)
{
	return execution->prefix[0] == '\0' ? step :
		psprintf("%s%s", execution->prefix, step);
}

/* Adds a member unless there is no document. */
static void
add_jsonb(JsonBuilder *builder, const char *key, const Jsonb *jsonb)
{
	JsonbValue	value;

	if (jsonb == NULL)
		return;
	json_from_jsonb(jsonb, &value);
	json_add(builder, key, &value);
}

/* Adds which visit of its step, and which item, a row is about; the first goes without. */
static void
add_place(JsonBuilder *builder, int visit, int item)
{
	if (visit > 1)
		json_add_int(builder, "visit", visit);
	if (item >= 0)
		json_add_int(builder, "item", item);
}

/* Returns what is told of an event: {visit, item, result, error, context, meta}. */
static Jsonb *
describe_event(const SimExecution *execution, const Event *event, bool about_step)
{
	JsonBuilder builder;
	JsonbValue	value;

	json_begin_object(&builder);
	if (about_step)
		add_place(&builder, event->visit, event->item);
	if (event->type == EVENT_EXECUTION_START)
	{
		json_add_text(&builder, "path", execution->path);
		add_jsonb(&builder, "workload", execution->model->workload);
	}
	else
		add_jsonb(&builder, "context", event->context);
	add_jsonb(&builder, "result", event->result);
	if (event->error != NULL)
		json_add_text(&builder, "error", event->error);
	add_jsonb(&builder, "meta", event->meta);
	json_end_object(&builder, &value);
	return json_to_jsonb(&value);
}

/*
 * Returns whether an event names a step; one about the execution itself names its path,
 * but for the end of an execution that has reached an end.
 */
static bool
names_step(const SimExecution *execution, const Event *event)
{
	return strchr(event->node_id, ':') != NULL ||
		(event->node_name != NULL && event_type_is_terminal(event->type) &&
		 strcmp(event->node_name, execution->path) != 0);
}

/* Tells of an event. */
void
row_event(SimExecution *execution, const Event *event)
{
	bool		about_step = names_step(execution, event);
	SimRow		row;

	memset(&row, 0, sizeof(row));
	row.at = event->created_at;
	row.event_type = event->event_type;
	row.status = event->status;
	row.type = event->type;
	row.depth = depth_of(execution);
	row.item = about_step ? event->item : -1;
	row.visit = about_step ? Max(event->visit, 1) : 0;
	if (about_step || event->type == EVENT_SIGNAL)
		row.step = full_name(execution, event->node_name);
	else if (execution->prefix[0] != '\0')
		row.step = pnstrdup(execution->prefix, strlen(execution->prefix) - 1);
	row.data = describe_event(execution, event, about_step);
	tell(execution->simulation, &row);
}

/* Tells of a task of a run, as its worker, or the database, gets it. */
void
row_task(SimExecution *execution, const Run *run, const char *type, const Jsonb *action,
		 const Jsonb *context, int priority)
{
	JsonBuilder builder;
	JsonbValue	value;
	SimRow		row;

	memset(&row, 0, sizeof(row));
	row.at = execution->time;
	row.event_type = ROW_TASK;
	row.status = "PENDING";
	row.type = EVENT_OTHER;
	row.depth = depth_of(execution);
	row.step = full_name(execution, execution->playbook->steps[run->step].name);
	row.visit = run->visit;
	row.item = run->item;
	json_begin_object(&builder);
	add_place(&builder, run->visit, run->item);
	json_add_text(&builder, "type", type);
	add_jsonb(&builder, "action", action);
	add_jsonb(&builder, "context", context);
	if (priority != 0)
		json_add_int(&builder, "priority", priority);
	json_end_object(&builder, &value);
	row.data = json_to_jsonb(&value);
	tell(execution->simulation, &row);
}

/* Tells why the play ends although the execution does not. */
void
row_stopped(Simulation *simulation, const char *reason)
{
	SimRow		row;

	memset(&row, 0, sizeof(row));
	row.at = simulation->now;
	row.event_type = ROW_STOPPED;
	row.status = "RUNNING";
	row.type = EVENT_OTHER;
	row.item = -1;
	row.data = json_text_object("reason", reason);
	tell(simulation, &row);
}
