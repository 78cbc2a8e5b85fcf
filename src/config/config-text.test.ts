import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { parseConfigText } from './config-text.ts';

test('JSON is read as JSON.parse reads it', () => {
  const text = '{"a": [1, -2.5e3, true, false, null, "x\\u00e9\\n\\"", {}], "b": {"c": []}}';
  assert.deepEqual(parseConfigText(text), JSON.parse(text));
  assert.deepEqual(parseConfigText(`\ufeff ${text}\r\n`), JSON.parse(text));
});

test('comments are blanks, outside strings', () => {
  const text = `// first
    { /* a */ "url": "http://x/*y*/", // "b": 1
      "n" /* between */ : 1 /* two
      lines */ }
    // last`;
  assert.deepEqual(parseConfigText(text), { url: 'http://x/*y*/', n: 1 });
});

test('a string between backticks goes over lines, and has no escapes', () => {
  const text = '{"sync": `function (doc) {\r\n  channel("a\\n");\n}`, "x": 1}';
  assert.deepEqual(parseConfigText(text), {
    sync: 'function (doc) {\n  channel("a\\n");\n}',
    x: 1,
  });
});

test('a comma after the last element is tolerated, anything else is not', () => {
  assert.deepEqual(parseConfigText('{"a": [1, 2,], }'), { a: [1, 2] });
  for (const text of ['[,]', '{,}', '[1,,2]', '{"a": 1,,}']) {
    assert.throws(() => parseConfigText(text), GATEWAY_ERROR, text);
  }
});

test('a mistake is told with line and column', () => {
  const mistakes: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /is empty \(line 1, column 1\)/],
    ['// nothing', /is empty/],
    ['{"a": 1\n "b": 2}', /comma or } is missing \(line 2, column 2\)/],
    ['{"a": [1 2]}', /comma or \] is missing \(line 1, column 10\)/],
    ['{"a" 1}', /colon/],
    ['{a: 1}', /double quotes/],
    ['{"a": yes}', /no quotes \(line 1, column 7\)/],
    ['{"a": 01}', /no quotes/],
    ['{"a": +1}', /no quotes/],
    ['{"a": NaN}', /no quotes/],
    ['{"a": toString}', /no quotes/],
    ['{"a": "x\ny"}', /does not end on its line/],
    ['{"a": "x', /does not end on its line/],
    ['{"a": "\\x"}', /wrong escape/],
    ['{"a": "\t"}', /control character/],
    ['{"a": `x', /backticks does not end/],
    ['{"a": 1, "a": 2}', /"a" may not stand here \(again\) \(line 1, column 10\)/],
    ['{"__proto__": {}}', /__proto__/],
    ['{} {}', /follows the end \(line 1, column 4\)/],
    ['{} /* open', /follows the end/],
    ['{', /double quotes/],
    ['['.repeat(500), /nested deeper than 100/],
  ];
  for (const [text, message] of mistakes) {
    assert.throws(() => parseConfigText(text), message, text);
    assert.throws(() => parseConfigText(text), GATEWAY_ERROR, text);
  }
});

test('a function of megabytes is no trouble', () => {
  const source = `function (doc) { ${'channel("a"); '.repeat(150_000)} }`;
  assert.deepEqual(parseConfigText(JSON.stringify({ sync: source })), { sync: source });
});

const GATEWAY_ERROR = (error: unknown): boolean => isGatewayError(error, 'badRequest');
