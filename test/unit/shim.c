/*
 * shim.c
 *		palloc, StringInfo and the like, outside the server.
 */
#include "shim.h"

typedef struct Block
{
	struct Block *next;
	struct Block *previous;
	Size		size;
	Size		padding;		/* keeps what follows aligned to 16 */
} Block;

static Block head = {&head, &head, 0, 0};

int			shim_encoding = PG_UTF8;

void *
palloc(Size size)
{
	Block	   *block = malloc(sizeof(Block) + size);

	if (block == NULL)
		abort();
	block->size = size;
	block->next = head.next;
	block->previous = &head;
	head.next->previous = block;
	head.next = block;
	return block + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
pfree(void *pointer)
{
	Block	   *block = (Block *) pointer - 1;

	block->previous->next = block->next;
	block->next->previous = block->previous;
	free(block);
}

void *
repalloc(void *pointer, Size size)
{
	Block	   *block = (Block *) pointer - 1;
	void	   *copy = palloc(size);

	memcpy(copy, pointer, Min(size, block->size));
	pfree(pointer);
	return copy;
}

void
shim_reset(void)
{
	while (head.next != &head)
		pfree(head.next + 1);
}

char *
pnstrdup(const char *text, Size length)
{
	Size		n = strnlen(text, length);
	char	   *copy = palloc(n + 1);

	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

char *
psprintf(const char *format,...)
{
	va_list		args;
	int			length;
	char	   *text;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = palloc(length + 1);
	va_start(args, format);
	vsnprintf(text, length + 1, format, args);
	va_end(args);
	return text;
}

void
initStringInfo(StringInfo str)
{
	str->maxlen = 64;
	str->data = palloc(str->maxlen);
	str->data[0] = '\0';
	str->len = 0;
}

void
enlargeStringInfo(StringInfo str, int needed)
{
	int			size = str->maxlen;

	while (size - str->len <= needed)
		size *= 2;
	if (size > str->maxlen)
	{
		str->data = repalloc(str->data, size);
		str->maxlen = size;
	}
}

int
appendStringInfoVA(StringInfo str, const char *format, va_list args)
{
	int			room = str->maxlen - str->len;
	int			length = vsnprintf(str->data + str->len, room, format, args);

	if (length < room)
	{
		str->len += length;
		return 0;
	}
	str->data[str->len] = '\0';
	return length + 1;
}

void
appendStringInfo(StringInfo str, const char *format,...)
{
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(str, format, args);
		va_end(args);
		if (needed == 0)
			return;
		enlargeStringInfo(str, needed);
	}
}

void
appendStringInfoString(StringInfo str, const char *text)
{
	int			length = (int) strlen(text);

	enlargeStringInfo(str, length);
	memcpy(str->data + str->len, text, length + 1);
	str->len += length;
}

void
appendStringInfoChar(StringInfo str, char c)
{
	enlargeStringInfo(str, 1);
	str->data[str->len++] = c;
	str->data[str->len] = '\0';
}

int
GetDatabaseEncoding(void)
{
	return shim_encoding;
}

static bool
continues_character(char c)
{
	return ((unsigned char) c & 0xC0) == 0x80;
}

int
pg_mbcliplen(const char *text, int length, int limit)
{
	int			clipped = Min((int) strnlen(text, length), limit);

	while (clipped > 0 && continues_character(text[clipped]))
		clipped--;
	return clipped;
}

int
pg_mbstrlen(const char *text)
{
	int			n = 0;

	for (; *text != '\0'; text++)
		n += !continues_character(*text);
	return n;
}
