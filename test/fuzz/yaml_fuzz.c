/*
 * yaml_fuzz.c
 *		A libFuzzer target: whatever the text, yaml_parse_document must answer
 *		with a tree or an error that keep the promises of yaml.h.
 */
#include "common/common.h"

#include "server_shim.h"
#include "yaml/internal.h"

#undef fprintf

#define MAX_DEPTH 500
#define MAX_VALUES 1000000

#define CHECK(condition)                                                                           \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
		{                                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

/* What must hold for the text of every scalar, keys included. */
static void
check_scalar(const YamlNode *node)
{
	int line;
	int column;

	CHECK(node->string != NULL);
	CHECK(strlen(node->string) == node->length);
	CHECK(node->text_line >= node->line);
	CHECK(node->text_column >= 1);
	yaml_locate(node, 1, 1, &line, &column);
	CHECK(line >= node->text_line && column >= 1);
	yaml_locate(node, 3, 7, &line, &column);
	CHECK(line >= node->text_line && column >= 1);
}

/* The document, and how many positions in it are still to be checked. */
static const char *source;
static int source_length;
static int positions_left;

/* The byte of the source at a position; lines end as libyaml says. */
static int
source_byte(int line, int column)
{
	int length;
	const char *p = yaml_source_line(source, source_length, line, &length);
	const char *end = p + length;

	for (; column > 1 && p < end; column--)
	{
		do
			p++;
		while (p < end && (*p & 0xC0) == 0x80);
	}
	return p < end ? *p : '\n';
}

/*
 * Letters and digits of a text must be found where yaml_locate says.  A block
 * scalar with Unicode's own line breaks has lines that its text does not.
 */
static void
check_positions(const YamlNode *node)
{
	int line = 1;
	int column = 1;

	if (node->block &&
		(strstr(node->string, "\xE2\x80\xA8") || strstr(node->string, "\xE2\x80\xA9")))
		return;
	for (int i = 0; i < node->length && positions_left > 0; i++)
	{
		char c = node->string[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		{
			int file_line;
			int file_column;
			int found;

			positions_left--;
			yaml_locate(node, line, column, &file_line, &file_column);
			found = source_byte(file_line, file_column);
			CHECK(found == c || found == '\\');
		}
		if (c == '\n')
		{
			line++;
			column = 1;
		}
		else if (i + 1 == node->length || (node->string[i + 1] & 0xC0) != 0x80)
			column++;
	}
}

/* What must hold for every node.  Returns how many values it holds. */
static int
check_node(const YamlNode *node, int depth)
{
	int values = 1;

	CHECK(depth <= MAX_DEPTH);
	CHECK(node->line >= 1 && node->column >= 1);
	switch (node->kind)
	{
		case YN_LIST:
			for (int i = 0; i < node->count; i++)
				values += check_node(node->items[i], depth + 1);
			break;
		case YN_MAP:
			for (int i = 0; i < node->count; i++)
			{
				const YamlPair *pair = &node->pairs[i];

				CHECK(pair->key->kind == YN_STRING);
				check_scalar(pair->key);
				if (i < 50)
					CHECK(yaml_member(node, pair->key->string) == pair->value);
				values += 1 + check_node(pair->value, depth + 1);
			}
			break;
		case YN_NUMBER:
			CHECK(((char *) node->number)[strspn((char *) node->number, "-.0123456789")] == '\0');
			/* FALLTHROUGH */
		default:
			if (node->length > 0)
			{
				check_scalar(node);
				check_positions(node);
			}
	}
	CHECK(values <= MAX_VALUES);
	return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text from the server has no NUL, so neither has what is tried here. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SourceError error;
	YamlNode *root;
	char *text;

	if (memchr(data, '\0', size) != NULL)
		return -1;
	text = malloc(size); /* no terminator: a text datum has none */
	memcpy(text, data, size);
	source = text;
	source_length = size;
	if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
	{
		source += 3;
		source_length -= 3;
	}
	positions_left = 1000;
	root = yaml_parse_document(text, size, &error);
	if (root != NULL)
		check_node(root, 0);
	else
		CHECK(error.message != NULL && error.line >= 1 && error.column >= 1 &&
			  error.sqlerrcode != 0);
	shim_reset();
	free(text);
	return 0;
}
