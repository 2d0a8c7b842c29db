/*
 * pool.c
 *		Several tasks at once in one worker: --concurrency.
 *
 * A task occupies a slot from its lease to its report.  A helper process executes it,
 * or a tool, which may have several.  This process keeps the session with the broker:
 * it leases as many tasks as there are free slots, renews all leases, asks what is to
 * be saved, and reports; each report leases the next task in the same round trip.  It
 * waits for no task, so that one that takes long blocks nobody.
 *
 *		free --> placed --> slot_begin --> helper or tool --> job_next ... --> slot_finish --> free
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "broker.h"
#include "events.h"
#include "executor.h"
#include "heartbeat.h"
#include "helper.h"
#include "job.h"
#include "concurrency.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "signals.h"
#include "tool.h"

#define WAIT_SECONDS 5
#define ASK_AGAIN_SECONDS 1		/* where nothing waits for work */
#define MAX_RECONNECT_SECONDS 5
#define KEEP_RESULT_BYTES (1024 * 1024)

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_PLACED,				/* has a task that has not begun */
	SLOT_HELPER,				/* a helper process is at work */
	SLOT_TOOL,					/* a tool is */
	SLOT_ENDING					/* the helper has been asked to end */
} SlotState;

typedef struct Slot
{
	SlotState	state;
	Task	   *task;			/* the place in all.tasks */
	Job			job;
	Task	   *at_hand;		/* what is executed: the task, or a save of it */
	Helper	   *helper;
	ToolCall   *call;
	StringBuf	events;			/* that could not be stored yet */
	double		begun_at;
} Slot;

static Slot slots[MAX_CONCURRENCY];
static TaskList all;			/* a place for each slot; free ones have no queue_id */
static TaskList arrived;		/* leased with a report, until its slot is free */
static bool dry = false;		/* the last lease gave less than it asked for */
static double ask_again_at = 0;
static double reconnect_at = 0;
static double reconnect_delay = 0;

/* ---------------------------------------------------------------------------
 * Leasing
 * ---------------------------------------------------------------------------
 */

/* Returns the number of slots that are free, not counting arrived tasks. */
static int
free_slots(void)
{
	int			count = 0;

	for (int i = 0; i < options.slots; i++)
		count += slots[i].state == SLOT_FREE && slots[i].task->queue_id == NULL;
	return count - (arrived.count - arrived.next);
}

/* Returns the number of slots that are busy. */
static int
busy_slots(void)
{
	int			count = 0;

	for (int i = 0; i < options.slots; i++)
		count += slots[i].state != SLOT_FREE;
	return count;
}

/* Returns how many tasks of a type are leased. */
static int
leased_of_type(const char *type, size_t len)
{
	int			count = 0;

	for (int i = 0; i < all.count; i++)
		count += all.tasks[i].queue_id != NULL && strlen(all.tasks[i].type) == len &&
			strncmp(all.tasks[i].type, type, len) == 0;
	for (int i = arrived.next; i < arrived.count; i++)
		count += strlen(arrived.tasks[i].type) == len &&
			strncmp(arrived.tasks[i].type, type, len) == 0;
	return count;
}

/*
 * Makes the next lease ask for tasks of the types that have room, and not for more than
 * each of these types has.  Returns how many it asks for; *types is to be freed.
 */
static int
ask_for_room(char **types)
{
	StringBuf	array = {0};
	int			count = free_slots();

	sb_str(&array, "{");
	/* a text[] literal without quotes */
	for (const char *p = db_types() + 1; *p != '\0' && *p != '}'; p += *p == ',')
	{
		size_t		len = strcspn(p, ",}");
		char	   *type = xmalloc(len + 1);
		int			room;

		memcpy(type, p, len);
		type[len] = '\0';
		room = concurrency_of(type) - leased_of_type(p, len);
		if (room > 0)
			sb_printf(&array, "%s%s", array.len > 1 ? "," : "", type);
		if (room > 0 && room < count)
			count = room;
		free(type);
		p += len;
	}
	sb_str(&array, "}");
	if (array.len == 2)
		count = 0;
	db_ask_for(count, array.data);
	*types = array.data;
	return count;
}

/* Keeps leased tasks for place_arrived(), which the caller calls once there are slots. */
static void
take_leased(TaskList *list, int asked)
{
	dry = list->count < asked;
	loop_has_leased(list->count);
	task_list_free(&arrived);
	arrived = *list;
	memset(list, 0, sizeof(*list));
}

/* Gives each arrived task a free slot, of which there are as many: its lease is renewed. */
static void
place_arrived(void)
{
	for (int i = 0; i < options.slots && arrived.next < arrived.count; i++)
	{
		Task	   *task = &arrived.tasks[arrived.next];

		if (slots[i].state != SLOT_FREE)
			continue;
		*slots[i].task = *task;
		memset(task, 0, sizeof(*task));
		arrived.next++;
		slots[i].at_hand = NULL;
		slots[i].state = SLOT_PLACED;
	}
}

/* Puts the next lease off after an error of one, and lets what is executed go on. */
static void
postpone_lease(void)
{
	log_line(report_in_trouble() ? LOG_DETAIL : LOG_ALWAYS, "could not lease: %s", db_message());
	if (!db_error_is_passing())
		db_close();
	ask_again_at = monotonic_now() + report_trouble();
}

/* Leases tasks for the free slots. */
static NextStep
lease(void)
{
	TaskList	list = {0};
	char	   *types;
	int			asked = ask_for_room(&types);
	DbStatus	status = asked > 0 ? db_lease(&list) : DB_REFUSED;

	free(types);
	if (status == DB_ERROR && busy_slots() == 0)
		return loop_after_error("lease");
	if (status == DB_ERROR)
	{
		postpone_lease();
		return STEP_AGAIN;
	}
	if (status == DB_OK)
		take_leased(&list, asked);
	else
		dry = true;
	place_arrived();
	if (status == DB_GONE)
		log_line(LOG_ALWAYS, "connection to the broker lost: %s", db_message());
	return STEP_AGAIN;
}

/* ---------------------------------------------------------------------------
 * Slots
 * ---------------------------------------------------------------------------
 */

/* Tells the broker how the task of a slot ended, and leases the next in its place. */
static void
tell_broker(Slot *slot)
{
	Task	   *task = slot->task;
	Outcome    *out = &slot->job.out;
	TaskList	next = {0};
	char	   *queue_id = task->queue_id;
	char	   *types;
	int			asked;
	DbStatus	status;

	/* its slot counts as free already */
	slot->state = SLOT_FREE;
	task->queue_id = NULL;
	asked = ask_for_room(&types);
	task->queue_id = queue_id;
	status = report_outcome(task, out, &all, asked > 0 ? &next : NULL);
	free(types);
	report_log(task, out, status, monotonic_now() - slot->begun_at);
	if (status != DB_OK && status != DB_REFUSED)
		report_give_back(task);
	else
		report_end_trouble();
	if (next.count > 0)
		take_leased(&next, asked);
	else
		dry = out->kind == OUTCOME_DONE && asked > 0 && status == DB_OK;
}

/* Ends the job of a slot: reports it, or gives the task back, and frees the slot. */
static void
slot_finish(Slot *slot)
{
	Task	   *task = slot->task;
	Outcome    *out = &slot->job.out;

	events_exchange(&slot->events);
	if (out->kind != OUTCOME_ABORTED)
		tell_broker(slot);
	else if (task->abort == ABORT_LEASE_LOST || task->lost)
		log_task(task, LOG_NORMAL, "%s stopped: the lease was lost or the execution"
				 " cancelled", task->type);
	else
		report_give_back(task);
	job_end(&slot->job);
	events_end(task);
	events_exchange(&slot->events);
	if (out->result.size > KEEP_RESULT_BYTES)
		sb_free(&out->result);
	if (out->attached.size > KEEP_RESULT_BYTES)
		sb_free(&out->attached);
	db_settle();
	if (task->abort == ABORT_TROUBLE)
		ask_again_at = monotonic_now() + ASK_AGAIN_SECONDS;
	task_free(task);
	slot->state = SLOT_FREE;
	place_arrived();
}

/* Hands what is at hand to a tool or a helper process; false: the outcome is there. */
static bool
slot_execute(Slot *slot)
{
	Task	   *task = slot->at_hand;
	Outcome    *out = job_outcome(&slot->job);
	Tool	   *tool = tool_of_type(task->type);

	if (!prepare_action(task, out))
	{
		finish_action(task, out);
		return false;
	}
	if (tool != NULL)
	{
		slot->call = tool_begin(tool, task, out);
		slot->state = SLOT_TOOL;
		return slot->call != NULL;
	}
	slot->state = SLOT_HELPER;
	if (helper_send(slot->helper, task))
		return true;
	outcome_trouble(task, out, "could not start a process: %s", strerror(errno));
	return false;
}

/* Goes on with the job of a slot until something is executed, or to its end. */
static void
slot_advance(Slot *slot)
{
	bool		executes = false;

	do
	{
		events_exchange(&slot->events);
		slot->at_hand = job_next(&slot->job);
		events_flush(slot->task);
		events_exchange(&slot->events);
		executes = slot->at_hand != NULL && slot_execute(slot);
	} while (slot->at_hand != NULL && !executes);
	if (!executes)
		slot_finish(slot);
}

/* Begins the task that was placed in a slot, or gives it back if nothing is to begin. */
static void
slot_begin(Slot *slot)
{
	slot->begun_at = monotonic_now();
	slot->state = SLOT_HELPER;
	job_begin(&slot->job, slot->task, false);
	if (slot->task->lost || stopping() || report_gave_up() ||
		find_executor(slot->task->type) == NULL)
	{
		slot->job.out.kind = OUTCOME_ABORTED;
		slot_finish(slot);
		return;
	}
	db_send_started(slot->task);
	slot_advance(slot);
}

/* Begins the tasks that have been placed; what one of them brings waits for the next turn. */
static void
begin_placed(void)
{
	for (int i = 0; i < options.slots; i++)
	{
		if (slots[i].state == SLOT_PLACED)
			slot_begin(&slots[i]);
	}
}

/* Makes the end of what a slot executes the end of its job. */
static void
slot_abort(Slot *slot)
{
	slot->job.out.kind = OUTCOME_ABORTED;
	slot_finish(slot);
}

/* Ends what a slot executes, because nobody wants it any more. */
static void
slot_abandon(Slot *slot)
{
	if (slot->state == SLOT_TOOL)
	{
		tool_end(slot->call);
		slot_abort(slot);
	}
	else if (slot->state == SLOT_HELPER)
	{
		helper_abandon(slot->helper);
		slot->state = SLOT_ENDING;
	}
}

/* Looks at the call of a slot that a tool has. */
static void
look_at_tool(Slot *slot)
{
	Outcome    *out = job_outcome(&slot->job);
	bool		late = slot->at_hand->deadline > 0 && monotonic_now() >= slot->at_hand->deadline;

	if (!slot->call->ended && !late)
		return;
	if (!slot->call->ended)
	{
		out->kind = OUTCOME_ABORTED;
		slot->at_hand->abort = ABORT_TIMEOUT;
	}
	tool_end(slot->call);
	finish_action(slot->at_hand, out);
	slot_advance(slot);
}

/* Takes what a helper process has sent. */
static void
look_at_helper(Slot *slot)
{
	bool		ended;

	events_exchange(&slot->events);
	ended = helper_receive(slot->helper, job_outcome(&slot->job));
	events_flush(slot->task);
	events_exchange(&slot->events);
	if (ended)
		slot_advance(slot);
}

/* ---------------------------------------------------------------------------
 * All slots
 * ---------------------------------------------------------------------------
 */

/* Returns when something is due that no descriptor tells of. */
static double
next_due(void)
{
	double		until = sooner(heartbeat_beat(), stop_deadline());

	if (!stopping())
		until = sooner(until, ask_again_at);
	if (!db_connected())
		until = sooner(until, reconnect_at > 0 ? reconnect_at : monotonic_now());
	for (int i = 0; i < options.slots; i++)
	{
		/* the heartbeat above has just told so */
		if (slots[i].state != SLOT_FREE && slots[i].state != SLOT_ENDING && slots[i].task->lost)
			until = monotonic_now();
		if (slots[i].state == SLOT_TOOL)
			until = slots[i].call->ended ? monotonic_now() :
				sooner(until, slots[i].at_hand->deadline);
		if (slots[i].state == SLOT_ENDING)
			until = sooner(until, monotonic_now() + 0.1);
	}
	return until;
}

/* Waits until a slot, a tool or the waiting session has something to tell, or for time. */
static void
wait_for_slots(void)
{
	struct pollfd fds[MAX_WAIT_FDS];
	Slot	   *of_helper[MAX_CONCURRENCY];
	double		until = next_due();
	int			helpers = 0;
	int			n;

	for (int i = 0; i < options.slots; i++)
	{
		if (slots[i].state != SLOT_HELPER)
			continue;
		of_helper[helpers] = &slots[i];
		fds[helpers++] = helper_poll(slots[i].helper);
	}
	n = helpers;
	for (int i = 0; i < tool_count(); i++)
		n += tool_poll(tool_at(i), fds + n, &until);
	if (db_waiter_fd() >= 0)
		fds[n++] = (struct pollfd) {.fd = db_waiter_fd(),.events = POLLIN};
	task_wait(NULL, fds, n, until);
	for (int i = 0; i < tool_count(); i++)
		tool_pump(tool_at(i));
	for (int i = 0; i < helpers; i++)
	{
		if (fds[i].revents != 0)
			look_at_helper(of_helper[i]);
	}
}

/* Stores what has been collected of the task of a slot, as far as that is possible now. */
static void
flush_events(Slot *slot)
{
	if (slot->events.len == 0 || !db_connected())
		return;
	events_exchange(&slot->events);
	events_flush(slot->task);
	events_exchange(&slot->events);
}

/* Collects an event that a tool has sent of one of its tasks. */
static void
take_tool_event(const Task *task, const char *type, const char *context)
{
	for (int i = 0; i < options.slots; i++)
	{
		if (slots[i].state == SLOT_FREE || slots[i].at_hand != task)
			continue;
		events_exchange(&slots[i].events);
		events_add(task, type, NULL, context, NULL, NULL, NULL);
		events_exchange(&slots[i].events);
	}
}

/* Looks at the slots whose helpers have no descriptor to tell of: tools, ends, losses. */
static void
look_at_slots(void)
{
	for (int i = 0; i < options.slots; i++)
	{
		Slot	   *slot = &slots[i];

		if (slot->state != SLOT_FREE)
			flush_events(slot);
		if (slot->task->lost)
			slot_abandon(slot);
		if (slot->state == SLOT_TOOL)
			look_at_tool(slot);
		else if (slot->state == SLOT_ENDING && helper_abandoned(slot->helper))
			slot_abort(slot);
	}
}

/* Ends all tasks, because the worker has to end. */
static void
abandon_all(void)
{
	helpers_stop(true);
	for (int i = 0; i < options.slots; i++)
	{
		slots[i].task->abort = ABORT_STOPPED;
		if (slots[i].state == SLOT_TOOL)
			slot_abandon(&slots[i]);
		else if (slots[i].state != SLOT_FREE)
			slot_abort(&slots[i]);
	}
}

/* Tries to open the session again, ever more slowly, while tasks are executed. */
static void
reconnect(void)
{
	if (monotonic_now() < reconnect_at)
		return;
	if (db_open())
	{
		log_line(LOG_ALWAYS, "connected again");
		if (db_release_unknown(&all) == DB_ERROR)
			log_line(LOG_DETAIL, "could not look for lost leases: %s", db_message());
		reconnect_at = 0;
		reconnect_delay = 0;
		dry = false;
		return;
	}
	reconnect_delay = reconnect_delay == 0 ? 0.2 : fmin(reconnect_delay * 2, MAX_RECONNECT_SECONDS);
	reconnect_at = monotonic_now() + reconnect_delay;
}

/* Lets something wait for work while some slots are busy and others free. */
static void
await_work(void)
{
	char	   *types;
	double		pause = db_pooled() ? options.poll : ASK_AGAIN_SECONDS;

	if (ask_for_room(&types) > 0 && !db_waiter_start(types, WAIT_SECONDS) && ask_again_at == 0)
		ask_again_at = monotonic_now() + pause;
	free(types);
}

/* Asks for work again when something says that there may be some. */
static void
notice_work(void)
{
	if (db_waiter_fd() >= 0 && db_waiter_done())
		dry = false;
	if (ask_again_at > 0 && monotonic_now() >= ask_again_at)
	{
		ask_again_at = 0;
		dry = false;
	}
}

/* Prepares the slots. */
void
pool_init(void)
{
	all.count = options.slots;
	all.tasks = xcalloc((size_t) all.count, sizeof(Task));
	for (int i = 0; i < options.slots; i++)
	{
		slots[i].task = &all.tasks[i];
		slots[i].helper = helper_at(i);
	}
	heartbeat_set(&all);
	progress_send_to(take_tool_event);
}

/* Does what is to be done now, and waits for what comes next. */
NextStep
pool_turn(void)
{
	NextStep	step = STEP_AGAIN;

	notice_work();
	if (!db_connected())
	{
		if (busy_slots() > 0)
			reconnect();
		else if (!report_connect(&all, false))
			return STEP_AGAIN;
		else
			dry = false;
	}
	if (db_connected() && !dry && ask_again_at == 0 && !stopping())
		step = lease();
	begin_placed();
	if (step != STEP_AGAIN)
		return step;
	if (busy_slots() == 0 && dry && ask_again_at == 0)
	{
		char	   *types;

		db_waiter_stop();
		(void) ask_for_room(&types);
		free(types);
		dry = false;
		return loop_be_idle();
	}
	if (busy_slots() == 0 && ask_again_at == 0)
		return STEP_AGAIN;
	if (dry && free_slots() > 0 && !stopping())
		await_work();
	wait_for_slots();
	look_at_slots();
	return STEP_AGAIN;
}

/* Waits for the tasks that are executed, for as long as the grace allows. */
void
pool_end(void)
{
	db_waiter_stop();
	begin_placed();
	while (busy_slots() > 0 && !stop_overdue() && !report_gave_up())
	{
		if (!db_connected())
			reconnect();
		wait_for_slots();
		look_at_slots();
	}
	abandon_all();
	helpers_stop(false);
	heartbeat_set(NULL);
	for (int i = 0; i < options.slots; i++)
	{
		outcome_free(&slots[i].job.out);
		outcome_free(&slots[i].job.save_out);
	}
	task_list_free(&arrived);
	free(all.tasks);
}
