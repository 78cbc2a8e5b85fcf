import assert from 'node:assert/strict';
import { canonicalJson } from '../../src/document/canonical-json.ts';
import { DEPTH_MAX, scanObject } from '../../src/document/json-scanner.ts';
import { historyOf, parseDocument, scanBulkDocs } from '../../src/document/parsed-document.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { outcomeOf } from '../outcome.ts';

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"a"',
  '"\\u0041"',
  '"\\ud83d\\ude00"',
  'true',
  'null',
  '-0.5e+3',
  '1.0',
  '"_id":"a",',
  '"_rev":"1-a",',
  '"_deleted":true,',
  '"_exp":1,',
  '"_revisions":{"start":2,"ids":["b","a"]},',
  '"_attachments":{"f":{"data":"YWJj"}},',
  '"_attachments":{"f":{"follows":true,"length":1,"digest":"sha1-"}},',
  '"_sync":1,',
  '"docs":[{}],',
  '"new_edits":false,',
];

const noneSkipped = (): boolean => false;

/** A JSON value that a scan must take: an object, not nested too deeply, all strings whole. */
function mustBeTaken(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false; // no JSON at all
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const jsonScanner: FuzzTarget = {
  name: 'json',
  seeds: ['{}', '{"a":1,"b":[true,null,{"c":"d\\n"}]}', '{"z":1,"a":{"z":2,"a":3},"é":"\\u00e9"}'],
  words: WORDS,
  bytesMax: 20_000,
  run: (input) => {
    const text = input.toString();
    const scan = outcomeOf(() => scanObject(text), 'badRequest', 'tooLarge');
    if (!scan.ok) {
      const isDeep = text.split(/[[{]/).length > DEPTH_MAX;
      assert.ok(isDeep || !mustBeTaken(text), `valid JSON is refused: ${scan.kind}`);
      return scan.kind;
    }
    JSON.parse(text);
    const canonical = canonicalJson(scan.value, noneSkipped);
    assert.equal(canonicalJson(scanObject(canonical), noneSkipped), canonical);
    return `taken, ${scan.value.isCanonical} ${scan.value.hasSpace}`;
  },
};

export const documents: FuzzTarget = {
  name: 'documents',
  seeds: [
    '{"_id":"a","_rev":"2-b","_deleted":false,"n":1}',
    '{"_revisions":{"start":2,"ids":["b","a"]},"_attachments":{"f":{"stub":true,"revpos":1}}}',
    '{"docs":[{"_id":"a"},{"b":2}],"new_edits":false}',
  ],
  words: WORDS,
  bytesMax: 20_000,
  run: (input) => {
    const text = input.toString();
    const bulk = outcomeOf(() => scanBulkDocs(text), 'badRequest', 'tooLarge');
    const parsed = outcomeOf(() => parseDocument(text), 'badRequest', 'tooLarge', 'missing');
    if (!parsed.ok) return `${bulk.kind}; ${parsed.kind}`;
    const { value: document } = parsed;
    assert.ok(!document.body.includes('\n'));
    // The body stands for itself: nothing is reserved in it any more, and nothing is lost.
    const again = parseDocument(document.body);
    assert.equal(again.body, document.body);
    const history = outcomeOf(() => historyOf(document), 'badRequest');
    const members = Object.keys(document).toSorted().join(' ');
    return `${bulk.kind}; ${members}; ${history.kind}`;
  },
};
