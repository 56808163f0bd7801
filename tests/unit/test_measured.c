
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_ground.h"
#include "ngx_llmops_language.h"


/*
 * How often "language" and "ground" are right, over texts written for it: see
 * tests/data/.  The lines of the tables in docs/guides/rules.md are printed,
 * and must stand there; and what has been reached is not lost again.
 */


#define GUIDE  "docs/guides/rules.md"
#define KINDS  16


static char  guide[256 * 1024];


static FILE *
opened(const char *name)
{
    FILE  *f;

    f = fopen(name, "r");
    assert_non_null(f);

    return f;
}


static void
documented(const char *line)
{
    printf("%s\n", line);

    if (strstr(guide, line) == NULL) {
        fail_msg("%s lacks the line: %s", GUIDE, line);
    }
}


/* precision: of those that are named; recall: of those that should be */

static void
test_languages(void **state)
{
    FILE       *f;
    char        line[4096], row[1024], *tab;
    uint64_t    says;
    ngx_str_t   name;
    ngx_uint_t  n, of, named, right, wrong;

    f = opened("tests/data/languages.txt");
    n = of = named = right = wrong = 0;

    while (fgets(line, sizeof(line), f)) {

        tab = strchr(line, '\t');

        if (line[0] == '#' || tab == NULL) {
            continue;
        }

        n++;
        tab++;
        name.data = (u_char *) line;
        name.len = 2;

        says = ngx_llmops_language((u_char *) tab, strcspn(tab, "\n"));
        named += (says != 0);

        if (line[0] == '-') {
            wrong += (says != 0);
            continue;
        }

        of++;
        assert_true(ngx_llmops_language_bit(&name) != 0);

        if (says == ngx_llmops_language_bit(&name)) {
            right++;

        } else if (says) {
            wrong++;
            print_message("wrong: %s", line);

        } else {
            print_message("not named: %s", line);
        }
    }

    fclose(f);

    snprintf(row, sizeof(row), "| `language` | %zu | %zu | %zu | %.3f | %.3f "
             "|", n, right, wrong, (double) right / named,
             (double) right / of);
    documented(row);

    assert_true(right >= named * 97 / 100);
    assert_true(right >= of * 90 / 100);
}


typedef struct {
    char        name[16];
    ngx_uint_t  n;
    ngx_uint_t  right;
} kind_t;


static kind_t *
kind_of(kind_t *kinds, const char *name, size_t len)
{
    kind_t  *k;

    for (k = kinds; k < kinds + KINDS - 1 && k->n; k++) {
        if (strlen(k->name) == len && memcmp(k->name, name, len) == 0) {
            break;
        }
    }

    memcpy(k->name, name, ngx_min(len, sizeof(k->name) - 1));

    return k;
}


/* found: an answer that is not supported, under min=0.5; its limits, which
   come last, do not count */

static void
test_grounds(void **state)
{
    FILE                 *f;
    char                  line[4096], row[1024], *yes, *text;
    kind_t                kinds[KINDS], *k;
    ngx_uint_t            low, found, missed, wrong, n;
    ngx_llmops_ground_t  *g;

    f = opened("tests/data/ground.txt");
    memset(kinds, 0, sizeof(kinds));
    g = NULL;
    found = missed = wrong = n = 0;

    while (fgets(line, sizeof(line), f)) {

        if (line[0] == '=') {
            ngx_llmops_ground_free(g);
            g = ngx_llmops_ground_create();
            assert_int_equal(ngx_llmops_ground_add(g, (u_char *) line + 1,
                                                   strlen(line) - 1),
                             NGX_OK);
            continue;
        }

        yes = strchr(line, '\t');
        text = yes ? strchr(yes + 1, '\t') : NULL;

        if (line[0] == '#' || text == NULL) {
            continue;
        }

        text++;
        low = ngx_llmops_ground_share(g, (u_char *) text,
                                      strcspn(text, "\n"))
              < 500;

        k = kind_of(kinds, line, yes - line);
        k->n++;
        k->right += (low == (yes[1] == 'n'));

        if (strcmp(k->name, "denied") == 0 || strcmp(k->name, "synonyms") == 0
            || strcmp(k->name, "translated") == 0)
        {
            continue;
        }

        n++;
        found += (low && yes[1] == 'n');
        missed += (!low && yes[1] == 'n');
        wrong += (low && yes[1] == 'y');

        if (low != (yes[1] == 'n')) {
            print_message("%s: %s", low ? "wrong" : "missed", line);
        }
    }

    ngx_llmops_ground_free(g);
    fclose(f);

    snprintf(row, sizeof(row), "| `ground` | %zu | %zu | %zu | %.3f | %.3f |",
             n, found, wrong, (double) found / (found + wrong),
             (double) found / (found + missed));
    documented(row);

    for (k = kinds; k->n; k++) {
        snprintf(row, sizeof(row), "| %s | %zu | %zu |", k->name, k->n,
                 k->right);
        documented(row);
    }

    assert_true(found * 100 >= (found + wrong) * 90);
    assert_true(found * 100 >= (found + missed) * 90);
}


int
main(void)
{
    FILE    *f;
    size_t   n;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_grounds),
    };

    f = fopen(GUIDE, "r");
    n = f ? fread(guide, 1, sizeof(guide) - 1, f) : 0;
    guide[n] = '\0';

    if (f) {
        fclose(f);
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
