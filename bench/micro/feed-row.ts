// What the text of a row of a changes feed costs.
import { makePlainRow, makeRow } from '../../src/changes/feed-row.ts';
import { parseRevId } from '../../src/document/rev-id.ts';
import { sequence } from '../../src/document/types.ts';
import { measure } from '../lib/measure.ts';
import { order } from '../lib/samples.ts';

const rev = parseRevId('3-0123456789abcdef0123456789abcdef');
const row = {
  at: { seq: sequence(12_345) },
  id: 'doc12345',
  rev,
  revs: [rev],
  deleted: false,
  removed: [],
  gone: false,
  revoked: false,
};
const doc = JSON.stringify(order(1));

measure('a row of a changes feed', [
  { name: 'makePlainRow', run: () => makePlainRow(row.at, row, undefined) },
  { name: 'makeRow', run: () => makeRow(row) },
  { name: 'makeRow, removed from a channel', run: () => makeRow({ ...row, removed: ['ch1'] }) },
  { name: 'makePlainRow with its document', run: () => makePlainRow(row.at, row, doc) },
  { name: 'makeRow with an id that needs escapes', run: () => makeRow({ ...row, id: 'dóc"1' }) },
]);
