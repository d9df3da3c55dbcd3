/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/base64url.h"

/* RFC 4648 10, without padding. */
static const struct {
    const char *raw, *text;
} vectors[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
               {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};

Test(base64url, rfc4648_10_vectors_both_ways)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t text[16] = {0}, raw[16] = {0};
        size_t len = strlen(vectors[i].raw), characters = strlen(vectors[i].text);
        cr_assert_eq(BASE64URL_CHARACTERS(len), characters);
        base64url_encode(view_of(vectors[i].raw, len), text);
        cr_assert_str_eq((char *)text, vectors[i].text);
        cr_assert(base64url_decode(view_of(text, characters), span_of(raw, len)));
        cr_assert_eq(memcmp(raw, vectors[i].raw, len), 0);
    }
}

Test(base64url, rfc4648_3_5_one_spelling_for_each_value)
{
    uint8_t raw[2];
    cr_assert(base64url_decode(view_of("Zg", 2), span_of(raw, 1)));
    cr_assert_not(base64url_decode(view_of("Zh", 2), span_of(raw, 1)));
    cr_assert_not(base64url_decode(view_of("Zm9", 3), span_of(raw, 2)));
}

Test(base64url, other_lengths_and_characters_are_refused)
{
    uint8_t raw[8];
    cr_assert_not(base64url_decode(view_of("Zm9v", 4), span_of(raw, 2)));
    cr_assert_not(base64url_decode(view_of("Zm9v", 4), span_of(raw, 4)));
    cr_assert_not(base64url_decode(view_of("Zg==", 4), span_of(raw, 3)));
    cr_assert_not(base64url_decode(view_of("Zm+/", 4), span_of(raw, 3)));
    cr_assert_not(base64url_decode(view_of("Z 9v", 4), span_of(raw, 3)));
}
