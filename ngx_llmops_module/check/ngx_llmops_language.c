
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_language.h"


/*
 * The script says it for many languages; in Latin letters the small words do,
 * which make up a third of any text.  A language is named if its small words
 * occur, and clearly more often than those of the second best: close relatives
 * share some.  That takes about two sentences.
 */


#define NGX_LLMOPS_LANGUAGE_LETTERS  10
#define NGX_LLMOPS_LANGUAGE_WORDS    3


typedef enum {
    NGX_LLMOPS_SCRIPT_NONE = 0,
    NGX_LLMOPS_SCRIPT_LATIN,
    NGX_LLMOPS_SCRIPT_CYRILLIC,
    NGX_LLMOPS_SCRIPT_GREEK,
    NGX_LLMOPS_SCRIPT_HEBREW,
    NGX_LLMOPS_SCRIPT_ARABIC,
    NGX_LLMOPS_SCRIPT_DEVANAGARI,
    NGX_LLMOPS_SCRIPT_THAI,
    NGX_LLMOPS_SCRIPT_HAN,
    NGX_LLMOPS_SCRIPT_KANA,
    NGX_LLMOPS_SCRIPT_HANGUL,
    NGX_LLMOPS_SCRIPT_MAX
} ngx_llmops_script_e;


typedef struct {
    char                       name[3];
    const char                *words;      /* with a space around each */
} ngx_llmops_language_t;


/* in the order of the bits; those of a script of their own behind them */

static const ngx_llmops_language_t  ngx_llmops_languages[] = {
    { "en",
      " the of and to in is that for it was with as on are this be "
      "have not by from they you at or which but we there can their "
      "will " },
    { "de",
      " der die und das ist nicht ein eine zu den mit von f\xc3\xbcr "
      "sich auf auch es dem werden als wird sind oder im wie wir "
      "kann bei nach \xc3\xbc" "ber " },
    { "fr",
      " le la les des et est une du que qui dans pour pas sur plus "
      "par avec ce sont il au vous nous ne aux cette \xc3\xaatre ou " },
    { "es",
      " el los las que una por con para es del se como m\xc3\xa1s "
      "pero sus su al lo est\xc3\xa1 son ser tambi\xc3\xa9n esta muy "
      "cuando hay y " },
    { "it",
      " il che di \xc3\xa8 per una sono con non gli della del nel "
      "pi\xc3\xb9 anche come alla dei ma ha questo questa lo delle "
      "si " },
    { "pt",
      " os que do da em um uma para com n\xc3\xa3o \xc3\xa9 por mais "
      "dos como mas foi ao ele das tem seu sua ou quando muito nos "
      "j\xc3\xa1 tamb\xc3\xa9m " },
    { "nl",
      " de het een van en dat niet zijn op te voor met aan er maar "
      "om ook als bij uit kan worden door deze wordt naar heeft " },
    { "pl",
      " nie si\xc4\x99 na jest \xc5\xbc" "e do w z to jak ale po co "
      "tak za od przez dla s\xc4\x85 by\xc4\x87 oraz mo\xc5\xbc" "e "
      "tylko kt\xc3\xb3ry ju\xc5\xbc ma " },
    { "sv",
      " och att det som en \xc3\xa4r p\xc3\xa5 f\xc3\xb6r av med "
      "till den inte har om ett kan men fr\xc3\xa5n eller vi "
      "s\xc3\xa5 var sig ska " },
    { "da",
      " og at det er en til p\xc3\xa5 af med for ikke den der som "
      "har kan et om eller men vi fra var v\xc3\xa6re ogs\xc3\xa5 "
      "skal " },
    { "tr",
      " bir ve bu i\xc3\xa7in ile da de olarak \xc3\xa7ok daha olan "
      "gibi en ne ama kadar sonra var de\xc4\x9fil veya her mi "
      "oldu\xc4\x9fu " },
    { "cs",
      " je se na \xc5\xbe" "e to jako pro by ale tak za od jsou bylo "
      "nebo m\xc5\xaf\xc5\xbe" "e b\xc3\xbdt v\xc5\xa1" "ak "
      "kter\xc3\xbd tak\xc3\xa9 p\xc5\x99i jeho podle co " },
    { "ro",
      " \xc8\x99i de la \xc3\xaen un o cu pe este nu c\xc4\x83 "
      "pentru din sunt care mai sau prin poate fi acest ce au dar " },
    { "hu",
      " a az \xc3\xa9s hogy nem egy is van meg de ez csak azt mint "
      "vagy m\xc3\xa1r ha lehet volt ki ezt fel kell " },
    { "fi",
      " ja on ei ett\xc3\xa4 se ovat oli h\xc3\xa4n mutta kun "
      "my\xc3\xb6s tai niin ole kuin voi joka sen olla ne "
      "t\xc3\xa4m\xc3\xa4 sek\xc3\xa4 " },
    { "id",
      " dan yang di untuk dengan ini itu dari tidak dalam pada "
      "adalah ke akan atau oleh juga karena bisa dapat " },
    { "vi",
      " v\xc3\xa0 c\xe1\xbb\xa7" "a l\xc3\xa0 c\xc3\xb3 "
      "\xc4\x91\xc6\xb0\xe1\xbb\xa3" "c kh\xc3\xb4ng cho "
      "c\xc3\xa1" "c m\xe1\xbb\x99t trong v\xe1\xbb\x9bi "
      "nh\xe1\xbb\xafng n\xc3\xa0y \xc4\x91\xc3\xa3 "
      "\xc4\x91\xe1\xbb\x83 ng\xc6\xb0\xe1\xbb\x9di khi "
      "v\xe1\xbb\x81 t\xe1\xbb\xab nh\xc6\xb0 " },
    { "ru", NULL },
    { "uk", NULL },
    { "el", NULL },
    { "he", NULL },
    { "ar", NULL },
    { "hi", NULL },
    { "th", NULL },
    { "zh", NULL },
    { "ja", NULL },
    { "ko", NULL },
};

#define NGX_LLMOPS_LANGUAGES                                                  \
    (sizeof(ngx_llmops_languages) / sizeof(ngx_llmops_languages[0]))


const char  ngx_llmops_language_names[] =
    "en, de, fr, es, it, pt, nl, pl, sv, da, tr, cs, ro, hu, fi, "
    "id, vi, ru, uk, el, he, ar, hi, th, zh, ja and ko";


/* of each script: its language, or "" */

static const char  ngx_llmops_script_languages[][3] = {
    "", "", "ru", "el", "he", "ar", "hi", "th", "zh", "ja", "ko"
};


typedef struct {
    size_t                     letters;
    size_t                     scripts[NGX_LLMOPS_SCRIPT_MAX];
    size_t                     ukrainian;  /* letters that Russian lacks */
    size_t                     russian;
    size_t                     hits[NGX_LLMOPS_LANGUAGES];
} ngx_llmops_language_count_t;


uint64_t
ngx_llmops_language_bit(ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; name->len == 2 && i < NGX_LLMOPS_LANGUAGES; i++) {
        if (ngx_memcmp(ngx_llmops_languages[i].name, name->data, 2) == 0) {
            return (uint64_t) 1 << i;
        }
    }

    return 0;
}


/* a character; what is not UTF-8 counts as one of one byte */

static size_t
ngx_llmops_language_char(const u_char *p, const u_char *last, uint32_t *c)
{
    if (*p < 0xc0 || last - p < 2) {
        *c = *p;
        return 1;
    }

    if (*p < 0xe0) {
        *c = (*p & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }

    if (last - p < 3) {
        *c = 0;
        return last - p;
    }

    *c = (*p & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f);

    return (*p < 0xf0 || last - p < 4) ? 3 : 4;
}


static ngx_llmops_script_e
ngx_llmops_language_script(uint32_t c)
{
    if (c < 0x250) {
        return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0xc0
               ? NGX_LLMOPS_SCRIPT_LATIN : NGX_LLMOPS_SCRIPT_NONE;
    }

    if (c >= 0x1e00 && c < 0x1f00) {
        return NGX_LLMOPS_SCRIPT_LATIN;         /* Vietnamese, mostly */
    }

    if (c >= 0x370 && c < 0x400) {
        return NGX_LLMOPS_SCRIPT_GREEK;
    }

    if (c >= 0x400 && c < 0x530) {
        return NGX_LLMOPS_SCRIPT_CYRILLIC;
    }

    if (c >= 0x590 && c < 0x600) {
        return NGX_LLMOPS_SCRIPT_HEBREW;
    }

    if (c >= 0x600 && c < 0x780) {
        return NGX_LLMOPS_SCRIPT_ARABIC;
    }

    if (c >= 0x900 && c < 0x980) {
        return NGX_LLMOPS_SCRIPT_DEVANAGARI;
    }

    if (c >= 0xe00 && c < 0xe80) {
        return NGX_LLMOPS_SCRIPT_THAI;
    }

    if (c >= 0x3040 && c < 0x3100) {
        return NGX_LLMOPS_SCRIPT_KANA;
    }

    if (c >= 0x3400 && c < 0xa000) {
        return NGX_LLMOPS_SCRIPT_HAN;
    }

    return (c >= 0xac00 && c < 0xd7b0) ? NGX_LLMOPS_SCRIPT_HANGUL
                                       : NGX_LLMOPS_SCRIPT_NONE;
}


static void
ngx_llmops_language_word(ngx_llmops_language_count_t *n, const u_char *p,
    size_t len)
{
    size_t       i;
    char         word[24];

    if (len == 0 || len > sizeof(word) - 3) {
        return;
    }

    word[0] = ' ';

    for (i = 0; i < len; i++) {
        word[i + 1] = (p[i] >= 'A' && p[i] <= 'Z') ? (p[i] | 0x20) : p[i];
    }

    word[len + 1] = ' ';
    word[len + 2] = '\0';

    for (i = 0; i < NGX_LLMOPS_LANGUAGES; i++) {
        if (ngx_llmops_languages[i].words
            && strstr(ngx_llmops_languages[i].words, word))
        {
            n->hits[i]++;
        }
    }
}


static void
ngx_llmops_language_letter(ngx_llmops_language_count_t *n, uint32_t c,
    ngx_llmops_script_e script)
{
    n->letters++;
    n->scripts[script]++;

    switch (c) {

    case 0x404:                         /* ie, i, yi and ghe of Ukrainian */
    case 0x406:
    case 0x407:
    case 0x454:
    case 0x456:
    case 0x457:
    case 0x490:
    case 0x491:
        n->ukrainian++;
        break;

    case 0x401:                         /* yo, yeru and e of Russian */
    case 0x42b:
    case 0x42d:
    case 0x44b:
    case 0x44d:
    case 0x451:
        n->russian++;
        break;
    }
}


static void
ngx_llmops_language_read(ngx_llmops_language_count_t *n, const u_char *p,
    const u_char *last)
{
    size_t               len;
    uint32_t             c;
    const u_char        *word;
    ngx_uint_t           code;
    ngx_llmops_script_e  script;

    word = p;
    code = 0;

    for ( /* void */ ; p < last; p += len) {

        len = ngx_llmops_language_char(p, last, &c);
        script = ngx_llmops_language_script(c);

        if (script != NGX_LLMOPS_SCRIPT_NONE) {

            if (!code) {
                ngx_llmops_language_letter(n, c, script);
            }

            continue;
        }

        if (!code) {
            ngx_llmops_language_word(n, word, p - word);
        }

        if (last - p >= 3 && ngx_memcmp(p, "```", 3) == 0) {
            code = !code;
            len = 3;
        }

        word = p + len;
    }

    if (!code) {
        ngx_llmops_language_word(n, word, last - word);
    }
}


static uint64_t
ngx_llmops_language_latin(ngx_llmops_language_count_t *n)
{
    size_t      best, second;
    ngx_uint_t  i, which;

    best = 0;
    second = 0;
    which = 0;

    for (i = 0; i < NGX_LLMOPS_LANGUAGES; i++) {

        if (n->hits[i] > best) {
            second = best;
            best = n->hits[i];
            which = i;

        } else if (n->hits[i] > second) {
            second = n->hits[i];
        }
    }

    return (best >= NGX_LLMOPS_LANGUAGE_WORDS && best * 2 >= second * 3)
           ? (uint64_t) 1 << which : 0;
}


uint64_t
ngx_llmops_language(const u_char *p, size_t len)
{
    size_t                        most;
    ngx_str_t                     name;
    ngx_uint_t                    i, script;
    ngx_llmops_language_count_t   n;

    ngx_memzero(&n, sizeof(ngx_llmops_language_count_t));

    ngx_llmops_language_read(&n, p,
                             p + ngx_min(len, NGX_LLMOPS_LANGUAGE_MAX));

    /* Japanese is written in Han, too, but never without kana for long */

    if (n.scripts[NGX_LLMOPS_SCRIPT_KANA] * 10
        >= n.scripts[NGX_LLMOPS_SCRIPT_HAN])
    {
        n.scripts[NGX_LLMOPS_SCRIPT_KANA] += n.scripts[NGX_LLMOPS_SCRIPT_HAN];
        n.scripts[NGX_LLMOPS_SCRIPT_HAN] = 0;
    }

    most = 0;
    script = 0;

    for (i = 1; i < NGX_LLMOPS_SCRIPT_MAX; i++) {
        if (n.scripts[i] > most) {
            most = n.scripts[i];
            script = i;
        }
    }

    if (n.letters < NGX_LLMOPS_LANGUAGE_LETTERS || most * 10 < n.letters * 7)
    {
        return 0;
    }

    if (script == NGX_LLMOPS_SCRIPT_LATIN) {
        return ngx_llmops_language_latin(&n);
    }

    name.data = (u_char *) ngx_llmops_script_languages[script];
    name.len = 2;

    if (script == NGX_LLMOPS_SCRIPT_CYRILLIC && n.ukrainian > n.russian) {
        name.data = (u_char *) "uk";
    }

    return ngx_llmops_language_bit(&name);
}
