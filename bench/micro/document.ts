// What the text of a document costs on its way in and out, beside JSON's own functions.
import { canonicalJson } from '../../src/document/canonical-json.ts';
import { scanObject } from '../../src/document/json-scanner.ts';
import { parseDocument, scanBulkDocs } from '../../src/document/parsed-document.ts';
import { renderDocument } from '../../src/document/render-document.ts';
import { createRevId, parseRevId } from '../../src/document/rev-id.ts';
import { measure } from '../lib/measure.ts';
import { dense, order, sortedOrder } from '../lib/samples.ts';

const texts = {
  '1 KB order': JSON.stringify(order(1)),
  '1 KB order, keys sorted': JSON.stringify(sortedOrder(1)),
  '20 KB of small members': JSON.stringify(dense(400)),
};

for (const [name, text] of Object.entries(texts)) {
  const bytes = Buffer.byteLength(text);
  const scanned = scanObject(text);
  const isReserved = (key: string): boolean => key.startsWith('_');
  measure(name, [
    { name: 'JSON.parse (for comparison)', run: () => JSON.parse(text) as unknown, bytes },
    { name: 'scanObject', run: () => scanObject(text), bytes },
    {
      name: 'canonicalJson of what was scanned',
      run: () => canonicalJson(scanned, isReserved),
      bytes,
    },
    { name: 'parseDocument', run: () => parseDocument(text), bytes },
  ]);
}

const text = texts['1 KB order'];
const rev = parseRevId('1-0123456789abcdef0123456789abcdef');
const { body, canonical } = parseDocument(text);
const docs = `{"docs":[${Array.from({ length: 100 }, () => text).join(',')}]}`;
measure('ids, answers and lists', [
  { name: 'createRevId', run: () => createRevId(rev, canonical), bytes: canonical.length },
  {
    name: 'renderDocument',
    run: () => renderDocument({ id: 'doc1', rev, body }),
    bytes: body.length,
  },
  { name: 'scanBulkDocs of 100', run: () => scanBulkDocs(docs), bytes: docs.length },
]);
