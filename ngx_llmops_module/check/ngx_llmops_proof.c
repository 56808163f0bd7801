
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_proof.h"


/*
 * Checksums of numbers that name people and their money.  Each tells a random
 * number of the right shape from a real one, in most cases.
 *
 *   luhn      ISO/IEC 7812-1, payment cards
 *   iban      ISO 13616, with the length of each country
 *   ssn       United States: areas, groups and serials that are given out
 *   nir       France: key of two digits, 97 - n mod 97
 *   steuerid  Germany: ISO 7064, mod 11,10
 *   dni       Spain, and nie: letter by n mod 23
 *   codice    Italy: check letter of the codice fiscale
 *   pesel     Poland
 *   cpf       Brazil: two digits mod 11
 *   aadhaar   India: Verhoeff
 *   cnid      China: ISO 7064, mod 11-2
 */


#define NGX_LLMOPS_PROOF_MAX  64


#define ngx_llmops_proof_digit(c)  ((u_char) ((c) - '0') < 10)


static ngx_uint_t ngx_llmops_proof_luhn(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_iban(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_ssn(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_nir(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_steuerid(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_dni(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_codice(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_pesel(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_cpf(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_aadhaar(const u_char *p, size_t len,
    size_t *start);
static ngx_uint_t ngx_llmops_proof_cnid(const u_char *p, size_t len,
    size_t *start);


const ngx_llmops_proof_t  ngx_llmops_proofs[] = {
    { ngx_string("luhn"), ngx_llmops_proof_luhn },
    { ngx_string("iban"), ngx_llmops_proof_iban },
    { ngx_string("ssn"), ngx_llmops_proof_ssn },
    { ngx_string("nir"), ngx_llmops_proof_nir },
    { ngx_string("steuerid"), ngx_llmops_proof_steuerid },
    { ngx_string("dni"), ngx_llmops_proof_dni },
    { ngx_string("codice"), ngx_llmops_proof_codice },
    { ngx_string("pesel"), ngx_llmops_proof_pesel },
    { ngx_string("cpf"), ngx_llmops_proof_cpf },
    { ngx_string("aadhaar"), ngx_llmops_proof_aadhaar },
    { ngx_string("cnid"), ngx_llmops_proof_cnid },
    { ngx_null_string, NULL }
};


/* lengths of IBANs, from the registry of SWIFT */

static const char  ngx_llmops_iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27"
    "DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28"
    "IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
    "MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24"
    "SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";


const ngx_llmops_proof_t *
ngx_llmops_proof_find(ngx_str_t *name)
{
    const ngx_llmops_proof_t  *proof;

    for (proof = ngx_llmops_proofs; proof->name.len; proof++) {
        if (proof->name.len == name->len
            && ngx_memcmp(proof->name.data, name->data, name->len) == 0)
        {
            return proof;
        }
    }

    return NULL;
}


/* the letters and digits, letters in upper case; at most max, or 0 */

static size_t
ngx_llmops_proof_plain(const u_char *p, size_t len, u_char *dst, size_t max)
{
    u_char  c;
    size_t  i, n;

    for (n = 0, i = 0; i < len; i++) {
        c = p[i];

        if (c >= 'a' && c <= 'z') {
            c &= ~0x20;
        }

        if (!ngx_llmops_proof_digit(c) && (c < 'A' || c > 'Z')) {
            continue;
        }

        if (n == max) {
            return 0;
        }

        dst[n++] = c;
    }

    return n;
}


static ngx_uint_t
ngx_llmops_proof_luhn_of(const u_char *d, size_t n)
{
    size_t      i;
    ngx_uint_t  sum, x;

    for (sum = 0, i = 0; i < n; i++) {
        x = d[n - 1 - i] - '0';

        if (i & 1) {
            x *= 2;
            x -= (x > 9) * 9;
        }

        sum += x;
    }

    return sum % 10 == 0;
}


/* the first digits are an issuer's, and the number has its length */

static ngx_uint_t
ngx_llmops_proof_issuer(const u_char *d, size_t n)
{
    ngx_uint_t  two, four;

    two = (d[0] - '0') * 10 + (d[1] - '0');
    four = two * 100 + (d[2] - '0') * 10 + (d[3] - '0');

    return (d[0] == '4' && (n == 13 || n == 16 || n == 19))     /* Visa */
           || (two >= 51 && two <= 55 && n == 16)               /* Mastercard */
           || (four >= 2221 && four <= 2720 && n == 16)
           || ((two == 34 || two == 37) && n == 15)             /* Amex */
           || ((two == 36 || two == 38 || two == 39) && n == 14)
           || (two == 30 && n == 14)                            /* Diners */
           || ((two == 65 || four == 6011
                || (two == 64 && d[2] >= '4')) && n == 16)      /* Discover */
           || (two == 62 && n >= 16)                            /* UnionPay */
           || (four >= 3528 && four <= 3589 && n == 16);        /* JCB */
}


static ngx_uint_t
ngx_llmops_proof_luhn(const u_char *p, size_t len, size_t *start)
{
    size_t  i, n;
    u_char  d[NGX_LLMOPS_PROOF_MAX];

    for (i = 0; i < len; i++) {

        if (!ngx_llmops_proof_digit(p[i])
            || (i && ngx_llmops_proof_digit(p[i - 1])))
        {
            continue;
        }

        n = ngx_llmops_proof_plain(p + i, len - i, d, sizeof(d));

        if (n < 13) {
            return 0;
        }

        if (n <= 19 && ngx_llmops_proof_issuer(d, n)
            && ngx_llmops_proof_luhn_of(d, n))
        {
            *start = i;
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_proof_iban_of(const u_char *s, size_t n)
{
    size_t       i;
    ngx_uint_t   rest, c;
    const char  *l;

    for (l = ngx_llmops_iban_lengths; *l; l += 4) {
        if (l[0] == s[0] && l[1] == s[1]) {
            break;
        }
    }

    if (*l == '\0'
        || n != (size_t) ((l[2] - '0') * 10 + (l[3] - '0')))
    {
        return 0;
    }

    for (rest = 0, i = 0; i < n; i++) {
        c = s[(i + 4) % n];

        rest = ngx_llmops_proof_digit(c) ? rest * 10 + c - '0'
                                         : rest * 100 + c - 'A' + 10;
        rest %= 97;
    }

    return rest == 1;
}


static ngx_uint_t
ngx_llmops_proof_iban(const u_char *p, size_t len, size_t *start)
{
    size_t  n;
    u_char  s[NGX_LLMOPS_PROOF_MAX];

    n = ngx_llmops_proof_plain(p, len, s, sizeof(s));

    return n >= 15 && ngx_llmops_proof_iban_of(s, n);
}


static ngx_uint_t
ngx_llmops_proof_ssn(const u_char *p, size_t len, size_t *start)
{
    u_char  d[NGX_LLMOPS_PROOF_MAX];

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 9) {
        return 0;
    }

    return d[0] != '9' && ngx_memcmp(d, "000", 3) != 0
           && ngx_memcmp(d, "666", 3) != 0 && ngx_memcmp(d + 3, "00", 2) != 0
           && ngx_memcmp(d + 5, "0000", 4) != 0;
}


static ngx_uint_t
ngx_llmops_proof_nir(const u_char *p, size_t len, size_t *start)
{
    size_t    i;
    uint64_t  n;
    u_char    d[NGX_LLMOPS_PROOF_MAX];

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 15) {
        return 0;
    }

    for (n = 0, i = 0; i < 13; i++) {

        if (!ngx_llmops_proof_digit(d[i])) {

            /* Corsica: 2A counts as 19, 2B as 18 */

            if (i != 6 || d[5] != '2' || (d[6] != 'A' && d[6] != 'B')) {
                return 0;
            }

            n = (n - 1) * 10 + (d[6] == 'A' ? 9 : 8);
            continue;
        }

        n = n * 10 + (d[i] - '0');
    }

    return 97 - n % 97 == (uint64_t) (d[13] - '0') * 10 + (d[14] - '0');
}


/* ISO 7064, mod 11,10; and one digit of the first ten comes twice or thrice */

static ngx_uint_t
ngx_llmops_proof_steuerid(const u_char *p, size_t len, size_t *start)
{
    u_char      d[NGX_LLMOPS_PROOF_MAX];
    size_t      i;
    ngx_uint_t  product, sum, count[10], repeated;

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 11 || d[0] == '0') {
        return 0;
    }

    ngx_memzero(count, sizeof(count));
    product = 10;

    for (i = 0; i < 10; i++) {
        count[d[i] - '0']++;
        sum = (d[i] - '0' + product) % 10;
        product = (sum ? sum : 10) * 2 % 11;
    }

    for (repeated = 0, i = 0; i < 10; i++) {
        repeated += (count[i] > 1);

        if (count[i] > 3) {
            return 0;
        }
    }

    return repeated == 1 && (11 - product) % 10 == (ngx_uint_t) d[10] - '0';
}


static ngx_uint_t
ngx_llmops_proof_dni(const u_char *p, size_t len, size_t *start)
{
    size_t      i;
    u_char      s[NGX_LLMOPS_PROOF_MAX];
    ngx_uint_t  n;

    if (ngx_llmops_proof_plain(p, len, s, sizeof(s)) != 9) {
        return 0;
    }

    if (s[0] >= 'X' && s[0] <= 'Z') {
        s[0] = '0' + s[0] - 'X';
    }

    for (n = 0, i = 0; i < 8; i++) {
        n = n * 10 + (s[i] - '0');
    }

    return s[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[n % 23];
}


static ngx_uint_t
ngx_llmops_proof_codice(const u_char *p, size_t len, size_t *start)
{
    size_t      i;
    u_char      s[NGX_LLMOPS_PROOF_MAX];
    ngx_uint_t  sum, x;

    static const u_char  odd[] = {
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14,
        16, 10, 22, 25, 24, 23
    };

    if (ngx_llmops_proof_plain(p, len, s, sizeof(s)) != 16) {
        return 0;
    }

    for (sum = 0, i = 0; i < 15; i++) {
        x = ngx_llmops_proof_digit(s[i]) ? s[i] - '0' : s[i] - 'A';
        sum += (i & 1) ? x : odd[x];
    }

    return s[15] == 'A' + sum % 26;
}


/* the sum of digits by weights */

static ngx_int_t
ngx_llmops_proof_sum(const u_char *d, const int *weights, size_t n)
{
    size_t     i;
    ngx_int_t  sum;

    for (sum = 0, i = 0; i < n; i++) {
        sum += (d[i] - '0') * weights[i];
    }

    return sum;
}


static ngx_uint_t
ngx_llmops_proof_pesel(const u_char *p, size_t len, size_t *start)
{
    u_char      d[NGX_LLMOPS_PROOF_MAX];
    ngx_uint_t  month, day;

    static const int  weights[] = { 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1 };

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 11) {
        return 0;
    }

    month = ((d[2] - '0') * 10 + (d[3] - '0')) % 20;
    day = (d[4] - '0') * 10 + (d[5] - '0');

    return month >= 1 && month <= 12 && day >= 1 && day <= 31
           && ngx_llmops_proof_sum(d, weights, 11) % 10 == 0;
}


static ngx_uint_t
ngx_llmops_proof_cpf(const u_char *p, size_t len, size_t *start)
{
    size_t      i;
    u_char      d[NGX_LLMOPS_PROOF_MAX];
    ngx_int_t   one, two;

    static const int  weights[] = { 11, 10, 9, 8, 7, 6, 5, 4, 3, 2 };

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 11) {
        return 0;
    }

    for (i = 1; i < 11 && d[i] == d[0]; i++) { /* void */ }

    if (i == 11) {
        return 0;                       /* the sums of 111.111.111-11 fit */
    }

    one = ngx_llmops_proof_sum(d, weights + 1, 9) * 10 % 11 % 10;
    two = ngx_llmops_proof_sum(d, weights, 10) * 10 % 11 % 10;

    return one == d[9] - '0' && two == d[10] - '0';
}


/* Verhoeff: the dihedral group of ten, by its rules instead of its table */

static ngx_uint_t
ngx_llmops_proof_dihedral(ngx_uint_t a, ngx_uint_t b)
{
    if (a < 5) {
        return b < 5 ? (a + b) % 5 : 5 + (a + b - 5) % 5;
    }

    return b < 5 ? 5 + (a - b) % 5 : (a - b + 5) % 5;
}


static ngx_uint_t
ngx_llmops_proof_aadhaar(const u_char *p, size_t len, size_t *start)
{
    size_t      i;
    u_char      d[NGX_LLMOPS_PROOF_MAX];
    ngx_uint_t  check, x, k;

    static const u_char  permutation[] = { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 };

    if (ngx_llmops_proof_plain(p, len, d, sizeof(d)) != 12) {
        return 0;
    }

    for (check = 0, i = 0; i < 12; i++) {
        x = d[11 - i] - '0';

        for (k = 0; k < i % 8; k++) {
            x = permutation[x];
        }

        check = ngx_llmops_proof_dihedral(check, x);
    }

    return check == 0;
}


static ngx_uint_t
ngx_llmops_proof_cnid(const u_char *p, size_t len, size_t *start)
{
    u_char      s[NGX_LLMOPS_PROOF_MAX];
    ngx_uint_t  month, day;

    static const int  weights[] = {
        7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2
    };

    if (ngx_llmops_proof_plain(p, len, s, sizeof(s)) != 18) {
        return 0;
    }

    month = (s[10] - '0') * 10 + (s[11] - '0');
    day = (s[12] - '0') * 10 + (s[13] - '0');

    return month >= 1 && month <= 12 && day >= 1 && day <= 31
           && s[17] == "10X98765432"[ngx_llmops_proof_sum(s, weights, 17)
                                     % 11];
}
