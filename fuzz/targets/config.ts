import assert from 'node:assert/strict';
import { parseConfigText } from '../../src/config/config-text.ts';
import { parseDatabaseConfig } from '../../src/config/database-config.ts';
import { parseStartup } from '../../src/config/startup-config.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { outcomeOf } from '../outcome.ts';

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '`',
  '//',
  '/*',
  '*/',
  '\n',
  '"sync":`function(doc){}`,',
  '"guest":{"disabled":false},',
  '"users":{"GUEST":{}},',
  '"scopes":{"s":{"collections":{"c":{}}}},',
  '"limits":{"document_bytes_max":2048},',
  '"revs_limit":20,',
  '"cache":{"channel_cache":{"max_length":500}},',
  '"logging":{"console":{"log_level":"info"}},',
  '"api":{"public_interface":":4984"},',
  '"databases":{"db":{}},',
  'null',
  '1e3',
];

/** A value of JSON.parse that a configuration file may not have: a property that stands twice. */
const hasDuplicates = (text: string, value: unknown): boolean =>
  JSON.stringify(value).length < text.replaceAll(/\s/g, '').length;

export const configText: FuzzTarget = {
  name: 'config-text',
  seeds: [
    '{"bucket":"b","sync":`function(doc) {\n channel(doc.c);\n}`,}',
    '// a comment\n{"databases": {"db": {"guest": {"disabled": false}}}} /* the end */',
    '{"scopes":{"shop":{"collections":{"goods":{"sync":"function(doc){}"}}}}}',
  ],
  words: WORDS,
  bytesMax: 20_000,
  run: (input) => {
    const text = input.toString();
    const parsed = outcomeOf(() => parseConfigText(text), 'badRequest', 'tooLarge');
    const startup = outcomeOf(() => parseStartup(text, {}), 'badRequest', 'tooLarge');
    if (!parsed.ok) return `${parsed.kind}; ${startup.kind}`;
    const json = outcomeOfJson(text);
    if (json !== undefined && !hasDuplicates(text, json.value))
      assert.deepEqual(parsed.value, json.value);
    const database = outcomeOf(
      () => parseDatabaseConfig(parsed.value, { name: 'db' }),
      'badRequest',
    );
    return `${startup.kind}; ${database.kind}`;
  },
};

function outcomeOfJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined; // comments and backticks are no JSON
  }
}
