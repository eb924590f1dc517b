/*
 * test_secretmask.c
 *		Finding secret values in texts, however they were written there.
 */
#include "unit.h"

#include "secretmask.h"

static char *
mask(const char *secrets, const char *text)
{
	char	   *copy = pstrdup(secrets);
	char	   *values[16];
	int			n = 0;
	JoMask	   *made;
	char	   *masked;
	bool		found;

	for (char *part = strtok(copy, "\x1f"); part != NULL; part = strtok(NULL, "\x1f"))
		values[n++] = part;
	made = jo_mask_create(values, n);
	masked = jo_mask_apply(made, text, strlen(text));
	found = jo_mask_finds(made, text, strlen(text));
	CHECK_INT(found, masked != NULL);
	jo_mask_free(made);
	return masked != NULL ? masked : "-";
}

#define CHECK_MASK(secrets, text, wanted) CHECK_TEXT(mask(secrets, text), wanted)

static void
test_plain(void)
{
	CHECK_MASK("hunter2", "", "-");
	CHECK_MASK("hunter2", "hunter", "-");
	CHECK_MASK("hunter2", "hunter2", "***");
	CHECK_MASK("hunter2", "the hunter2 of hunter2s", "the *** of ***s");
	CHECK_MASK("hunter2", "hunter2hunter2", "***");
	CHECK_MASK("abab", "xababab!", "x***!");
	/* as a host, a header or an error may write it */
	CHECK_MASK("Hunter2", "http://hunter2.example.com HUNTER2", "http://***.example.com ***");
	CHECK_MASK("\xc3\x84" "bc", "\xc3\x84" "BC \xc3\xa4" "bc", "*** \xc3\xa4" "bc");
	/* what overlaps leaves no piece of either */
	CHECK_MASK("abcdef\x1f" "defghi", "1abcdefghi2", "1***2");
	CHECK_MASK("secret\x1fsecret-longer", "secret-longer secret", "*** ***");
	/* space around a value is no secret */
	CHECK_MASK("  hunter2\n", "(hunter2)", "(***)");
	/* too short to be looked for */
	CHECK_MASK("abc", "abc", "-");
	CHECK_MASK("  ab \n", "ab", "-");
	CHECK_MASK("gr\xc3\xbc\xc3\x9f" "e", "viele gr\xc3\xbc\xc3\x9f" "e!", "viele ***!");
}

static void
test_url(void)
{
	CHECK_MASK("a b/c?d", "x=a+b%2Fc%3Fd&y", "x=***&y");
	CHECK_MASK("a b/c?d", "x=a%20b%2fc%3fd&y", "x=***&y");
	CHECK_MASK("a b/c?d", "x=a%20b/c?d", "x=***");
	CHECK_MASK("a b/c?d", "%61%20%62%2F%63%3F%64", "***");
	/* a plus stands for a blank only as it is */
	CHECK_MASK("a+b+c", "a+b+c a%2Bb%2Bc", "*** ***");
	CHECK_MASK("a b c", "a%2Bb%2Bc", "-");
	CHECK_MASK("100%sure", "100%sure 100%25sure", "*** ***");
	CHECK_MASK("%41%42", "%41%42 %2541%2542 AB", "*** *** AB");
	CHECK_MASK("gr\xc3\xbc\xc3\x9f" "e", "gr%C3%BC%c3%9fe", "***");
	/* half an escape at the end */
	CHECK_MASK("abcd%", "abcd%", "***");
	CHECK_MASK("abcde", "abcd%6", "-");
	CHECK_MASK("abcde", "abcd%", "-");
}

static void
test_json_escapes(void)
{
	CHECK_MASK("a\"b\\c/d", "{\"x\":\"a\\\"b\\\\c\\/d\"}", "{\"x\":\"***\"}");
	CHECK_MASK("a\"b\\c/d", "\"a\\u0022b\\u005Cc/d\"", "\"***\"");
	CHECK_MASK("line1\nline2\t!", "line1\\nline2\\t!", "***");
	CHECK_MASK("gr\xc3\xbc\xc3\x9f" "e", "gr\\u00fc\\u00DFe", "***");
	CHECK_MASK("key\xf0\x9f\x94\x91", "key\\ud83d\\udd11", "***");
	CHECK_MASK("key\xf0\x9f\x94\x91", "key\\ud83d", "-");
	CHECK_MASK("key\xe2\x82\xac", "key\\u20ac key\\u20", "*** key\\u20");
	CHECK_MASK("abc\\", "abc\\", "***");
}

/* Every alignment, in both alphabets, of values whose encodings have + and /. */
static void
test_base64(void)
{
	CHECK_MASK("hunter2", "aHVudGVyMg==", "***==");
	CHECK_MASK("hunter2", "Authorization: Basic dXNlcjpodW50ZXIy", "Authorization: Basic dXNlcj***");
	CHECK_MASK("hunter2", "dXNlMTpodW50ZXIy", "dXNlMT***");
	CHECK_MASK("hunter2", "YWI6aHVudGVyMjs=", "YWI6***s=");
	CHECK_MASK("hunter2", "YTpodW50ZXIy", "YT***");
	CHECK_MASK("hunter2", "YWJjOmh1bnRlcjI=", "YWJjO***=");
	/* the value <?>~~ followed by more: standard and for URLs */
	CHECK_MASK("<<?>>>~", "PDw/Pj4+fg==", "***==");
	CHECK_MASK("<<?>>>~", "PDw_Pj4-fg", "***");
	CHECK_MASK("<<?>>>~", "x=PDw%2FPj4%2Bfg%3D%3D", "x=***%3D%3D");
	CHECK_MASK("<<?>>>~", "{\"x\":\"PDw\\/Pj4+fg==\"}", "{\"x\":\"***==\"}");
	/* broken into lines */
	CHECK_MASK("hunter2", "aHVu\r\ndGVyMg==", "***==");
	CHECK_MASK("hunter2", "aHVu\\r\\ndGVyMg==", "***==");
	CHECK_MASK("hunter2", "\ndGVyMg==", "-");
	CHECK_MASK("hunter2", "aHVudGVyIQ==", "-");
}

static char *
encode(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t		length = strlen(text);
	StringInfoData out;

	initStringInfo(&out);
	for (size_t i = 0; i < length; i += 3)
	{
		unsigned	group = (unsigned char) text[i] << 16;

		if (i + 1 < length)
			group |= (unsigned char) text[i + 1] << 8;
		if (i + 2 < length)
			group |= (unsigned char) text[i + 2];
		appendStringInfoChar(&out, digits[group >> 18]);
		appendStringInfoChar(&out, digits[group >> 12 & 63]);
		appendStringInfoChar(&out, i + 1 < length ? digits[group >> 6 & 63] : '=');
		appendStringInfoChar(&out, i + 2 < length ? digits[group & 63] : '=');
	}
	return out.data;
}

/* Each length from the shortest, behind and before so many other bytes. */
static void
test_all_alignments(void)
{
	const char *secret = "s3cr3t!\xc3\xa9~@key";

	for (int length = JO_MASK_SHORTEST; length <= (int) strlen(secret); length++)
		for (int before = 0; before < 7; before++)
			for (int after = 0; after < 4; after++)
			{
				char	   *value = pnstrdup(secret, length);
				char	   *text = encode(psprintf("%.*s%s%.*s", before, "user::x", value, after, "zzzz"));
				char	   *masked = mask(value, text);

				unit_check(strstr(masked, JO_MASK) != NULL, __FILE__, __LINE__, "%d %d %d: %s gives %s",
						   length, before, after, text, masked);
			}
}

void
test_secret_masks(void)
{
	test_plain();
	test_url();
	test_json_escapes();
	test_base64();
	test_all_alignments();
}
