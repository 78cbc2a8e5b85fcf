// What the text of a row of a changes feed costs.
import { makeRow } from '../../src/changes/feed-row.ts';
import { parseRevId } from '../../src/document/rev-id.ts';
import { sequence } from '../../src/document/types.ts';
import { measure } from '../lib/measure.ts';
import { order } from '../lib/samples.ts';

const row = {
  at: { seq: sequence(12_345) },
  id: 'doc12345',
  revs: [parseRevId('3-0123456789abcdef0123456789abcdef')],
  deleted: false,
  removed: [],
  gone: false,
  revoked: false,
};
const doc = JSON.stringify(order(1));

measure('a row of a changes feed', [
  { name: 'makeRow', run: () => makeRow(row) },
  { name: 'makeRow, removed from a channel', run: () => makeRow({ ...row, removed: ['ch1'] }) },
  { name: 'makeRow with its document', run: () => makeRow({ ...row, doc }) },
  { name: 'makeRow with an id that needs escapes', run: () => makeRow({ ...row, id: 'dóc"1' }) },
]);
