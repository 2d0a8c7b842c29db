/*
 * playbook/issue.c
 *		Issues of a document: errors and warnings, with their position, their
 *		place in the document and a suggestion.
 *
 * An issue names the node that it is about.  The path of that node in the
 * document (workflow[2].next[0].step) is looked up when the issue is reported:
 * compiling a document without faults does not pay for it, and text from a
 * workbook task is reported where it was written.
 */
#include "common/common.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "playbook/internal.h"

static void append_path(Compiler *compiler, const YamlNode *wanted,
						StringInfo path);
static bool search_path(Compiler *compiler, const YamlNode *node,
						const YamlNode *wanted, bool ordered, StringInfo path);
static int	child_line(const YamlNode *node, int i);
static bool too_many(Compiler *compiler, IssueSeverity severity);
static void add_issue(Compiler *compiler, PlaybookIssue *issue);
static void report_located(Compiler *compiler, IssueSeverity severity,
						   const YamlNode *scalar, const SourceError *error);
static bool swapped(const char *word, const char *known);
static int	compare_issues(const ListCell *a, const ListCell *b);

/* Returns whether the list has no room for another issue of this severity. */
static bool
too_many(Compiler *compiler, IssueSeverity severity)
{
	if (severity == ISSUE_WARNING)
		return compiler->nwarnings >= PLAYBOOK_MAX_ISSUES;
	if (!playbook_issues_full(compiler))
		return false;
	compiler->unlisted = true;
	return true;
}

/* Returns whether compilation stops, as the list has no room for another error. */
bool
playbook_issues_full(const Compiler *compiler)
{
	return compiler->nerrors >= PLAYBOOK_MAX_ISSUES;
}

/* Reports a fault of the document, or of one of its nodes. */
void
playbook_issue(Compiler *compiler, IssueSeverity severity, int sqlerrcode,
			   const YamlNode *node, char *hint, const char *format,...)
{
	PlaybookIssue issue = {0};
	StringInfoData message;
	StringInfoData path;

	if (too_many(compiler, severity))
		return;
	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	initStringInfo(&path);
	if (node != NULL)
	{
		append_path(compiler, node, &path);
		issue.line = node->line;
		issue.column = node->column;
	}
	issue.severity = severity;
	issue.sqlerrcode = sqlerrcode;
	issue.path = path.data;
	issue.message = message.data;
	issue.hint = hint;
	add_issue(compiler, &issue);
}

/* Reports what the YAML parser or the template compiler found in a scalar. */
void
playbook_source_issue(Compiler *compiler, const YamlNode *scalar,
					  const SourceError *error)
{
	SourceError located = *error;

	if (scalar != NULL && located.hint == NULL)
		located.hint = playbook_go_template_hint(scalar->string);
	if (scalar != NULL && error->line > 0)
		yaml_locate(scalar, error->line, error->column,
					&located.line, &located.column);
	report_located(compiler, ISSUE_ERROR, scalar, &located);
}

/* Reports an error whose position is one of the file. */
static void
report_located(Compiler *compiler, IssueSeverity severity,
			   const YamlNode *scalar, const SourceError *error)
{
	PlaybookIssue issue = {0};
	StringInfoData path;

	if (too_many(compiler, severity))
		return;
	initStringInfo(&path);
	if (scalar != NULL)
		append_path(compiler, scalar, &path);
	issue.severity = severity;
	issue.sqlerrcode = error->sqlerrcode;
	issue.line = error->line == 0 && scalar != NULL ? scalar->line : error->line;
	issue.column = error->line == 0 && scalar != NULL ? scalar->column : error->column;
	issue.path = path.data;
	issue.message = error->message;
	issue.hint = error->hint;
	add_issue(compiler, &issue);
}

/* Warns of what is at a place in a scalar. */
void
playbook_source_warning(Compiler *compiler, const YamlNode *scalar,
						const SourceError *warning)
{
	SourceError located = *warning;

	if (warning->line > 0)
		yaml_locate(scalar, warning->line, warning->column,
					&located.line, &located.column);
	located.sqlerrcode = ERRCODE_WARNING;
	report_located(compiler, ISSUE_WARNING, scalar, &located);
}

/*
 * Warns of a template that a worker may understand and the broker does not: an
 * unknown filter is the author's mistake or another program's extension.
 */
void
playbook_template_warning(Compiler *compiler, const YamlNode *scalar,
						  const SourceError *fault)
{
	SourceError warning = *fault;

	warning.hint = "An action that needs the text fails.";
	playbook_source_warning(compiler, scalar, &warning);
}

/* Keeps an issue, once: a workbook task is compiled for each of its users. */
static void
add_issue(Compiler *compiler, PlaybookIssue *issue)
{
	MemoryContext caller;
	PlaybookIssue *copy;
	ListCell   *cell;

	foreach(cell, compiler->issues)
	{
		PlaybookIssue *other = lfirst(cell);

		if (other->line == issue->line && other->column == issue->column &&
			strcmp(other->message, issue->message) == 0)
			return;
	}
	if (issue->severity == ISSUE_ERROR)
		compiler->nerrors++;
	else
		compiler->nwarnings++;
	caller = MemoryContextSwitchTo(compiler->issue_context);
	copy = palloc(sizeof(PlaybookIssue));
	*copy = *issue;
	copy->path = pstrdup(issue->path);
	copy->message = pstrdup(issue->message);
	copy->hint = issue->hint ? pstrdup(issue->hint) : NULL;
	compiler->issues = lappend(compiler->issues, copy);
	MemoryContextSwitchTo(caller);
}

/* Orders issues by position; those of one position by their text. */
static int
compare_issues(const ListCell *a, const ListCell *b)
{
	const PlaybookIssue *left = lfirst(a);
	const PlaybookIssue *right = lfirst(b);

	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	if (left->column != right->column)
		return left->column < right->column ? -1 : 1;
	if (left->severity != right->severity)
		return left->severity == ISSUE_ERROR ? -1 : 1;
	return strcmp(left->message, right->message);
}

/* Returns the issues in document order, whatever pass found them. */
List *
playbook_sorted_issues(Compiler *compiler)
{
	MemoryContext caller = MemoryContextSwitchTo(compiler->issue_context);
	PlaybookIssue *rest;

	list_sort(compiler->issues, compare_issues);
	if (compiler->unlisted)
	{
		rest = palloc0(sizeof(PlaybookIssue));
		rest->severity = ISSUE_ERROR;
		rest->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		rest->path = "";
		rest->message = "further errors are not listed";
		compiler->issues = lappend(compiler->issues, rest);
	}
	MemoryContextSwitchTo(caller);
	return compiler->issues;
}

/* Appends the path of a node, or of the key of a pair: workflow[2].next[0].step. */
static void
append_path(Compiler *compiler, const YamlNode *wanted, StringInfo path)
{
	/* What an alias or a merge key brought in does not stand in order. */
	if (!search_path(compiler, compiler->root, wanted, true, path))
		search_path(compiler, compiler->root, wanted, false, path);
}

/*
 * Appends the path of a node below another one; false: it is not there, or all searches
 * together have seen enough.  ordered: lines ascend, so that parts of the tree can be
 * skipped.
 */
static bool
search_path(Compiler *compiler, const YamlNode *node, const YamlNode *wanted,
			bool ordered, StringInfo path)
{
	int			length = path->len;
	int			i;

	check_stack_depth();
	if (node == wanted)
		return true;
	if (compiler->nsearched >= PLAYBOOK_MAX_SEARCHED)
		return false;
	compiler->nsearched++;
	for (i = 0; i < node->count; i++)
	{
		const YamlNode *child;

		CHECK_FOR_INTERRUPTS();
		if (ordered && (child_line(node, i) > wanted->line ||
						(i + 1 < node->count &&
						 child_line(node, i + 1) < wanted->line)))
			continue;
		if (node->kind == YN_LIST)
			appendStringInfo(path, "[%d]", i);
		else
			appendStringInfo(path, "%s%s", length > 0 ? "." : "",
							 node->pairs[i].key->string);
		child = node->kind == YN_LIST ? node->items[i] : node->pairs[i].value;
		if ((node->kind == YN_MAP && node->pairs[i].key == wanted) ||
			search_path(compiler, child, wanted, ordered, path))
			return true;
		path->len = length;
		path->data[length] = '\0';
	}
	return false;
}

/* Returns the line in which a member of a list or map begins. */
static int
child_line(const YamlNode *node, int i)
{
	return node->kind == YN_LIST ? node->items[i]->line :
		node->pairs[i].key->line;
}

/* Returns whether two words differ only by two neighbours that changed places. */
static bool
swapped(const char *word, const char *known)
{
	int			i = 0;

	while (word[i] != '\0' && word[i] == known[i])
		i++;
	return word[i] != '\0' && known[i] != '\0' &&
		word[i] == known[i + 1] && word[i + 1] == known[i] &&
		strcmp(word + i + 2, known + i + 2) == 0;
}

/*
 * Returns whether a word may be a misspelling of another: one edit (two in a
 * long word), or two neighbours swapped.
 */
bool
playbook_looks_like(const char *word, const char *known)
{
	int			length = strlen(word);
	int			known_length = strlen(known);
	int			limit = Min(length, known_length) < 7 ? 1 : 2;

	if (length < 3 || length > 255 || known_length > 255)
		return false;
	if (pg_strcasecmp(word, known) == 0 || swapped(word, known))
		return true;
	return varstr_levenshtein_less_equal(word, length, known, known_length,
										 1, 1, 1, limit, true) <= limit;
}

/* Returns the hint for a near miss; NULL without one. */
char *
playbook_did_you_mean(const char *known)
{
	return known ? psprintf("Did you mean \"%s\"?", known) : NULL;
}

/* Returns a hint with the step that a name most likely means, or NULL. */
char *
playbook_suggest_step(Compiler *compiler, const char *name)
{
	Playbook   *playbook = compiler->playbook;
	const char *best = NULL;
	int			length = strlen(name);
	int			limit = Min(3, Max(1, length / 3)) + 1;
	int			i;

	if (length > 255 || ++compiler->nsuggestions > PLAYBOOK_MAX_SUGGESTIONS)
		return NULL;
	for (i = 0; i < playbook->nwritten && limit > 0; i++)
	{
		const char *candidate = playbook->steps[i].name;
		int			candidate_length = strlen(candidate);
		int			distance;

		CHECK_FOR_INTERRUPTS();
		if (candidate_length > 255)
			continue;
		if (pg_strcasecmp(candidate, name) == 0)
			return playbook_did_you_mean(candidate);
		if (swapped(name, candidate))
		{
			best = candidate;
			limit = 1;
			continue;
		}
		distance = varstr_levenshtein_less_equal(name, length,
												 candidate, candidate_length,
												 1, 1, 1, limit - 1, true);
		if (distance < limit)
		{
			best = candidate;
			limit = distance;
		}
	}
	return playbook_did_you_mean(best);
}
