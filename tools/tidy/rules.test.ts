import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cycles } from './cycles.ts';
import { withoutExceptions } from './exceptions.ts';
import { fileNames } from './file-names.ts';
import { layers } from './layers.ts';
import { places } from './places.ts';
import { sizes } from './sizes.ts';
import { parseSource } from './source-file.ts';
import type { Rule } from './source-file.ts';
import { unusedExports } from './unused-exports.ts';
import { words } from './words.ts';

/** `path:line rule` of each finding of a rule in these files. */
function found(rule: Rule, files: Readonly<Record<string, string>>): readonly string[] {
  const parsed = Object.entries(files).map(([path, text]) => parseSource(path, text));
  return rule(parsed).map((finding) => `${finding.path}:${finding.line} ${finding.rule}`);
}

const A = 'src/database/a.ts';
const B = 'src/database/b.ts';
const lines = (count: number): string => 'f();\n'.repeat(count);

test('sizes: a function of 70 lines passes, of 71 does not', () => {
  const sized = (count: number): string => `function f() {\n${lines(count - 2)}}\n`;
  assert.deepEqual(found(sizes, { [A]: sized(70) }), []);
  assert.deepEqual(found(sizes, { [A]: `\n${sized(71)}` }), [`${A}:2 function-lines`]);
});

test('sizes: a function around tests may be long, in a test', () => {
  const text = `export function contract() {\n${lines(70)}test('a', () => {});\n}\n`;
  assert.deepEqual(found(sizes, { 'src/bucket/bucket-contract.ts': text }), []);
  assert.deepEqual(found(sizes, { [A]: text }), [`${A}:1 function-lines`]);
});

test('sizes: a source has 500 lines at most, a test 1000', () => {
  assert.deepEqual(found(sizes, { [A]: lines(500) }), []);
  assert.deepEqual(found(sizes, { [A]: lines(501) }), [`${A}:1 file-lines`]);
  assert.deepEqual(found(sizes, { 'src/util/a.test.ts': lines(1000) }), []);
  assert.deepEqual(found(sizes, { 'src/util/a.test.ts': lines(1001) }), [
    'src/util/a.test.ts:1 file-lines',
  ]);
});

test('sizes: three parameters and an options object', () => {
  const at = (parameters: string): readonly string[] =>
    found(sizes, { [A]: `function f(${parameters}) {}` });
  assert.deepEqual(at('a, b, c'), []);
  assert.deepEqual(at('a, b, c, { d }'), []);
  assert.deepEqual(at('a, b, c, options = {}'), []);
  assert.deepEqual(at('this: T, a, b, c'), []);
  assert.deepEqual(at('a, b, c, d'), [`${A}:1 parameters`]);
  assert.deepEqual(at('a, b, c, d, { e }'), [`${A}:1 parameters`]);
});

test('sizes: a line has 100 columns, but for what cannot be broken', () => {
  const wide = 'x'.repeat(101);
  assert.deepEqual(found(sizes, { [A]: `// ${'x'.repeat(97)}\n` }), []);
  assert.deepEqual(found(sizes, { [A]: `// ${wide}\n` }), [`${A}:1 line-columns`]);
  assert.deepEqual(found(sizes, { [A]: `const a = '${wide}';\n` }), []);
  assert.deepEqual(found(sizes, { [A]: `const a = \`\n${wide}\n\`;\n` }), []);
  assert.deepEqual(found(sizes, { [A]: `// see https://example.com/${wide}\n` }), []);
});

test('layers: down and within is allowed; up and sideways is not, for types neither', () => {
  const from = (path: string, specifier: string): readonly string[] =>
    found(layers, { [path]: `import type { X } from '${specifier}';` });
  assert.deepEqual(from('src/database/a.ts', '../bucket/bucket.ts'), []);
  assert.deepEqual(from('src/database/deep/a.ts', '../b.ts'), []);
  assert.deepEqual(from('src/bucket/a.ts', '../database/a.ts'), ['src/bucket/a.ts:1 layers']);
  assert.deepEqual(from('src/blip/a.ts', '../document/a.ts'), ['src/blip/a.ts:1 layers']);
  assert.deepEqual(from('src/gateway.ts', './rest/a.ts'), []);
  assert.deepEqual(from('src/rest/a.ts', '../gateway.ts'), ['src/rest/a.ts:1 layers']);
  assert.deepEqual(from('src/rest/a.ts', '../../tools/a.ts'), ['src/rest/a.ts:1 layers']);
  assert.deepEqual(from('src/bucket/a.test.ts', '../database/a.ts'), []);
  assert.deepEqual(from('src/unheard-of/a.ts', './b.ts'), ['src/unheard-of/a.ts:1 layers']);
});

test('cycles: a ring at run time is found once, whatever its length; a ring of types is none', () => {
  const ring = {
    [A]: "import { b } from './b.ts';",
    [B]: "import { c } from './c.ts';",
    'src/database/c.ts': "import { a } from './a.ts';",
  };
  assert.deepEqual(found(cycles, ring), [`${A}:1 import-cycle`]);
  assert.deepEqual(found(cycles, { ...ring, [B]: "import type { c } from './c.ts';" }), []);
  const inline = { [A]: "import { type b } from './b.ts';", [B]: "import './a.ts';" };
  assert.deepEqual(found(cycles, inline), [`${A}:1 import-cycle`]);
});

test('unused exports: what no file imports, and files that none imports', () => {
  const user = { 'src/cli/main.ts': "import { a } from '../database/a.ts'; a();" };
  const exports = 'export const a = 1;\nexport function b() {}\nconst c = 1;\nexport { c as d };\n';
  assert.deepEqual(found(unusedExports, { [A]: exports, ...user }), [
    `${A}:2 unused-export`,
    `${A}:4 unused-export`,
  ]);
  assert.deepEqual(found(unusedExports, { [A]: exports }), [`${A}:1 dead-file`]);
  const all = { 'src/cli/main.ts': "import * as a from '../database/a.ts';" };
  assert.deepEqual(found(unusedExports, { [A]: exports, ...all }), []);
  const worker = { 'src/cli/main.ts': "new URL('../database/a.ts', import.meta.url);" };
  assert.deepEqual(found(unusedExports, { [A]: 'f();', ...worker }), []);
});

test('unused exports: a type may be exported that its own file uses', () => {
  const user = { 'src/cli/main.ts': "import { a } from '../database/a.ts'; a();" };
  const used = 'export interface T {}\nexport const a = (t: T) => t;\n';
  assert.deepEqual(found(unusedExports, { [A]: used, ...user }), []);
  const unused = 'export interface T {}\nexport const a = 1;\n';
  assert.deepEqual(found(unusedExports, { [A]: unused, ...user }), [`${A}:1 unused-export`]);
});

const PLACED: readonly (readonly [rule: string, code: string, place: string | undefined])[] = [
  ['any', 'const a: any = f();', undefined],
  ['non-null', 'f(a!);', 'src/database/a.test.ts'],
  ['private', 'class A { private a = 1; }', undefined],
  ['barrel', "export * from './b.ts';", undefined],
  ['console', 'console.log(1);', 'src/cli/a.ts'],
  ['process-env', "f(process.env['HOME']);", 'src/config/a.ts'],
  ['process-env', "f(process['env']);", 'src/config/a.ts'],
  ['bare-error', "throw new Error('no such thing');", 'src/database/a.test.ts'],
  ['bare-error', 'throw TypeError(`${a} bug:`);', 'src/database/a.test.ts'],
  ['http-status', 'f({ status: 404 });', 'src/rest/a.ts'],
  ['http-status', 'if (reply.statusCode === 409) f();', 'src/rest/a.ts'],
  ['http-status', 'reply.code(201);', 'src/rest/a.ts'],
  ['sql', "db.prepare('SELECT a FROM b WHERE c = ?');", 'src/bucket/a.ts'],
  ['sql', 'f(`INSERT OR REPLACE INTO b VALUES (${a})`);', 'src/bucket/a.ts'],
  ['sql', "import { DatabaseSync } from 'node:sqlite';", 'src/bucket/a.ts'],
  ['clock', 'f(Date.now());', 'src/util/clock.ts'],
  ['clock', 'f(new Date());', 'src/cli/a.ts'],
  ['clock', 'setTimeout(f, 5);', 'src/gateway.ts'],
  ['clock', 'f(Math.random());', 'src/database/a.test.ts'],
  ['clock', "import { setTimeout } from 'node:timers/promises';", 'src/util/clock.ts'],
];

for (const [rule, code, place] of PLACED) {
  test(`places: ${rule}: ${code}`, () => {
    assert.deepEqual(found(places, { [A]: code }), [`${A}:1 ${rule}`]);
    if (place !== undefined) assert.deepEqual(found(places, { [place]: code }), []);
  });
}

test('places: what only looks like a misplaced thing passes', () => {
  const code = [
    "throw new Error('bug: a state that the table rules out');",
    'throw new Error(`bug: ${a}`);',
    "throw new GatewayError('missing', 'no such document');",
    'class C { private constructor() {} #a = 1; }',
    "f({ status: 'offline', limit: 500 });",
    "f('SELECT a channel', 'update the row');",
    'f(new Date(0), clock.now(), map.set(a, 404));',
    'f(error.code === 5);',
  ];
  assert.deepEqual(found(places, { [A]: code.join('\n') }), []);
});

test('words: debt, silenced tools, paths of a machine and registries are told of', () => {
  const banned = [
    'TO' + 'DO later',
    'FIX' + 'ME',
    '@ts-' + 'ignore',
    'eslint-' + 'disable',
    '/ro' + 'ot/x',
  ];
  for (const word of banned) {
    assert.deepEqual(found(words, { [A]: `f();\n// ${word}\n` }), [`${A}:2 words`], word);
  }
  assert.deepEqual(
    found(words, { [A]: `// ${'TO' + 'DO'}(#12): when the other end can do it\n` }),
    [],
  );
  assert.deepEqual(found(words, { [A]: "f('data/work/x');\n" }), []);
});

test('words: a test that is left out is told of', () => {
  const path = 'src/database/a.test.ts';
  for (const code of ["test.skip('a', f);", "t.todo('a');", "test('a', { only: true }, f);"]) {
    assert.deepEqual(found(words, { [path]: code }), [`${path}:1 left-out`], code);
  }
  assert.deepEqual(found(words, { [path]: "test('a', { timeout: 5 }, f); list.only('b');" }), []);
});

test('file names are in kebab-case', () => {
  assert.deepEqual(found(fileNames, { [A]: '', 'src/util/rev-id.prop.test.ts': '' }), []);
  assert.deepEqual(found(fileNames, { 'src/util/revId.ts': '' }), [
    'src/util/revId.ts:1 file-name',
  ]);
});

test('an exception excuses its rule in its file, and is stale where it excuses nothing', () => {
  const findings = [
    { path: A, line: 1, rule: 'sql', message: '' },
    { path: B, line: 1, rule: 'sql', message: '' },
  ];
  const excuse = { path: A, rule: 'sql', reason: 'x' };
  const stale = { path: A, rule: 'clock', reason: 'x' };
  const result = withoutExceptions(findings, [excuse, stale]);
  assert.deepEqual(result, { left: [findings[1]], stale: [stale] });
});
