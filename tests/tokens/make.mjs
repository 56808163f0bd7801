// Makes corpus.json: texts with the counts that real tokenizers give for
// them.  test_tokens.c measures our estimates by it.
//
//     npm pack gpt-tokenizer@4.0.0 && tar xzf gpt-tokenizer-4.0.0.tgz
//     node make.mjs package > corpus.json
//
// The prose and most of the code is in texts/, one after the other, with a
// line "---" between them.  More code comes from this repository as it was
// when the corpus was made; JSON is made here.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(import.meta.url);
const here = new URL(".", import.meta.url).pathname;
const pack = resolve(process.argv[2]);
const tokenizers = {};
for (const name of ["o200k_base", "cl100k_base"])
  tokenizers[name] = require(`${pack}/cjs/encoding/${name}`);

const texts = (kind) =>
  readFileSync(`${here}texts/${kind}.txt`, "utf8").trim().split("\n---\n");

// -- code of this repository --------------------------------------------------

const excerpt = (file, from, lines) =>
  readFileSync(`${here}../../${file}`, "utf8").split("\n")
    .slice(from, from + lines).join("\n");

const code = [
  ...texts("code"),
  excerpt("ngx_llmops_module/dialect/ngx_llmops_usage.c", 20, 60),
  excerpt("ngx_llmops_module/ops/ngx_llmops_price.c", 70, 50),
  excerpt("ngx_llmops_module/core/ngx_llmops.h", 40, 80),
  excerpt("ngx_llmops_module/route/ngx_llmops_route_conf.c", 60, 40),
  excerpt("ngx_llmops_module/wire/ngx_llmops_sse.c", 100, 70),
  excerpt("bench/load.c", 200, 60),
  excerpt("bench/run", 150, 50),
  excerpt("docs/check.py", 60, 60),
  excerpt("tests/harness/nginx.py", 40, 70),
  excerpt("tests/check.sh", 20, 60),
  excerpt("Makefile", 40, 50),
  excerpt("config", 0, 45),
];

// -- JSON ---------------------------------------------------------------------

let seed = 20251125;
const random = (n) => {                 // the same at each run
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % n;
};
const pick = (list) => list[random(list.length)];
const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const hex = (n) => many(n, () => random(16).toString(16)).join("");
const names = ["Anna Keller", "Jorge Ruiz", "Mei Lin", "Tom Baker",
               "Fatima Noor", "Ivan Petrov", "Sofia Rossi", "Liam Walsh"];
const cities = ["Berlin", "Madrid", "Taipei", "Leeds", "Cairo", "Riga"];
const words = ["order", "invoice", "user", "session", "payment", "cache",
               "timeout", "retry", "connection", "message", "queue"];
const when = () => new Date(Date.UTC(2025, random(12), 1 + random(28),
                                     random(24), random(60), random(60)))
  .toISOString();

const people = (n) => many(n, (i) => ({
  id: 1000 + i, name: pick(names), email: `user${i}@example.com`,
  active: random(2) === 1, city: pick(cities), balance: random(100000) / 100,
  tags: many(random(4), () => pick(words)), created_at: when() }));
const log = (n) => many(n, () => ({
  time: when(), level: pick(["info", "warn", "error"]),
  msg: `${pick(words)} ${pick(words)} failed after ${random(5000)} ms`,
  trace_id: hex(32), span_id: hex(16), status: pick([200, 404, 429, 500]) }));
const schema = () => ({
  type: "function",
  function: {
    name: `create_${pick(words)}`,
    description: `Creates a new ${pick(words)} for a customer and returns ` +
                 `its identifier. Fails if the ${pick(words)} exists.`,
    parameters: {
      type: "object",
      properties: {
        customer_id: { type: "string", description: "The customer's id" },
        amount: { type: "number", minimum: 0 },
        currency: { type: "string", enum: ["EUR", "USD", "GBP"] },
        notes: { type: ["string", "null"], maxLength: 500 },
        items: { type: "array", items: { type: "object", properties: {
          sku: { type: "string" }, quantity: { type: "integer" } } } } },
      required: ["customer_id", "amount", "currency"],
      additionalProperties: false } } });
const geo = (n) => ({ type: "FeatureCollection", features: many(n, () => ({
  type: "Feature", properties: { name: pick(cities), population: random(4e6) },
  geometry: { type: "Point", coordinates: [random(18000) / 100 - 90,
                                           random(9000) / 100] } })) });
const answer = () => ({
  id: `chatcmpl-${hex(24)}`, object: "chat.completion", created: 1764000000,
  model: "gpt-4.1-2025-04-14", choices: [{ index: 0, message: {
    role: "assistant", content: `The ${pick(words)} was moved to ` +
    `${pick(cities)} and will arrive on Monday.`, refusal: null },
    logprobs: null, finish_reason: "stop" }],
  usage: { prompt_tokens: random(900), completion_tokens: random(90),
           prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 } },
  system_fingerprint: `fp_${hex(10)}` });
const settings = () => ({
  name: "@example/portal", version: "2.11.0", private: true,
  scripts: { build: "tsc -p . && vite build", test: "vitest run --coverage",
             lint: "eslint 'src/**/*.{ts,tsx}' --max-warnings 0" },
  dependencies: { react: "^18.3.1", "react-dom": "^18.3.1", zod: "^3.23.8",
                  "date-fns": "^3.6.0", "@tanstack/react-query": "^5.51.1" },
  engines: { node: ">=20" }, browserslist: ["> 0.5%", "not dead"] });

const json = [];
for (const value of [people(6), people(14), log(5), log(12), schema(),
                     [schema(), schema()], geo(6), geo(15), answer(),
                     [answer(), answer()], settings(),
                     { rows: many(30, (i) => [i, hex(8), random(1000)]) },
                     { matrix: many(8, () => many(8, () => random(100))) }])
  json.push(JSON.stringify(value), JSON.stringify(value, null, 2));

// -- the corpus ---------------------------------------------------------------

const corpus = [];
for (const [kind, list] of [["english", texts("en")], ["code", code],
                            ["json", json], ["chinese", texts("zh")]])
  for (const text of list)
    corpus.push({ kind, text, ...Object.fromEntries(
      Object.entries(tokenizers).map(([name, t]) => [name, t.encode(text, {
        allowedSpecial: new Set(), disallowedSpecial: new Set() }).length])) });

console.log(JSON.stringify(corpus, null, 1));
