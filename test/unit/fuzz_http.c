/*
 * fuzz_http.c
 *		Any bytes as headers, statuses, dates, media types and URLs.
 */
#include "httptext.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk_headers(const char *text, size_t size)
{
	const char *cursor = text;
	size_t		left = size;
	JoHeaderLine line;
	int64		seconds;

	while (jo_http_next_header(&cursor, &left, &line))
	{
		assert(line.name >= text && line.value + line.value_length <= text + size);
		assert(jo_http_is_token(line.name, line.name_length));
		(void) jo_http_retry_after(line.value, line.value_length, 0, &seconds);
	}
	assert(left == 0);
}

static void
take_url(const char *text)
{
	JoUrl		url;
	char	   *error;
	char	   *hint;
	char	   *sent;

	(void) jo_url_show(text);
	if (!jo_url_parse(text, &url, &error, &hint))
	{
		assert(error != NULL);
		return;
	}
	for (const char *p = url.host; *p != '\0'; p++)
		assert((unsigned char) *p < 0x80 && strchr(" /?#@\\%", *p) == NULL);
	/* what is sent leads to the same host */
	sent = jo_url_assemble(text, "a=b");
	{
		JoUrl		again;

		assert(jo_url_parse(sent, &again, &error, &hint) || strlen(text) > 20000);
		if (strlen(text) <= 20000)
			assert(strcmp(again.host, url.host) == 0 && again.port == url.port);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoStatusRange ranges[4];
	JoMediaType type;

	memcpy(text, data, size);
	walk_headers(text, size);
	text[size] = '\0';
	(void) jo_http_check_header(text, text);
	(void) jo_http_is_traceparent(text);
	assert(jo_http_parse_statuses(text, ranges, lengthof(ranges)) <= (int) lengthof(ranges));
	jo_http_media_type(text, &type);
	take_url(text);
	free(text);
	shim_reset();
	return 0;
}
