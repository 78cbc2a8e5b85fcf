import assert from 'node:assert/strict';
import { parseBasicCredentials } from '../../src/auth/basic-credentials.ts';
import { cookieValue } from '../../src/auth/cookies.ts';
import {
  compareSequenceIds,
  parseSequenceId,
  sequenceJson,
} from '../../src/changes/sequence-id.ts';
import { parseDocId } from '../../src/document/doc-id.ts';
import { parseExpiry } from '../../src/document/expiry.ts';
import { digestOf, generationOf, parseRevId } from '../../src/document/rev-id.ts';
import { acceptsGzip, namesType, prefersJson } from '../../src/rest/accept.ts';
import { parseRange } from '../../src/rest/byte-range.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { outcomeOf } from '../outcome.ts';

/** Parts of requests: URLs and headers. */

export const identifiers: FuzzTarget = {
  name: 'identifiers',
  seeds: ['1-abc', '12-0123456789abcdef', 'doc', 'über', '2026-01-02T03:04:05Z', '86400'],
  words: ['-', '1-', '_', '_design/', '2026-01-02T03:04:05+01:00', '4294967296'],
  bytesMax: 2_000,
  run: (input) => {
    const text = input.toString();
    const rev = outcomeOf(() => parseRevId(text), 'badRequest');
    if (rev.ok) assert.equal(`${generationOf(rev.value)}-${digestOf(rev.value)}`, text);
    const id = outcomeOf(() => parseDocId(text), 'badRequest');
    if (id.ok) assert.ok(Buffer.byteLength(id.value) <= 250 && !id.value.startsWith('_'));
    const expiry = outcomeOf(() => parseExpiry(text, 1_700_000_000), 'badRequest');
    if (expiry.ok) assert.ok(Number.isInteger(expiry.value) && expiry.value >= 0);
    return `${rev.kind}; ${id.kind}; ${expiry.kind}`;
  },
};

export const sequenceIds: FuzzTarget = {
  name: 'sequence-ids',
  seeds: ['12', '14:4', '10::12', '1:2:3', '"7"', '0'],
  words: [':', '::', '"', '0', '9007199254740991'],
  bytesMax: 200,
  run: (input) => {
    const parsed = outcomeOf(() => parseSequenceId(input.toString()), 'badRequest');
    if (!parsed.ok) return parsed.kind;
    const again = parseSequenceId(JSON.parse(sequenceJson(parsed.value)));
    assert.equal(compareSequenceIds(again, parsed.value), 0);
    return `taken ${parsed.value.trigger === undefined}`;
  },
};

export const byteRanges: FuzzTarget = {
  name: 'byte-ranges',
  seeds: ['bytes=0-4', 'bytes=5-', 'bytes=-3', 'bytes=0-1,3-4', 'lines=1-2'],
  words: ['bytes=', '-', ',', ' ', '99999999999999999999'],
  bytesMax: 2_000,
  run: (input, random) => {
    const length = random.below(20);
    const header = input.toString('latin1');
    const range = outcomeOf(() => parseRange(header, length), 'rangeNotSatisfiable');
    if (!range.ok || range.value === undefined) return range.kind;
    const { start, end } = range.value;
    assert.ok(0 <= start && start < end && end <= length, `${start} to ${end} of ${length}`);
    return 'a range';
  },
};

export const credentials: FuzzTarget = {
  name: 'credentials',
  seeds: [
    `Basic ${Buffer.from('ann:letmein').toString('base64')}`,
    'SyncGatewaySession=0123456789abcdef; other="a=b"',
    'gzip;q=0.5, br, application/json;q=0',
  ],
  words: ['Basic ', '=', ';', '; ', '"', ',', ';q=', 'SyncGatewaySession=', 'gzip'],
  bytesMax: 5_000,
  run: (input) => {
    const header = input.toString('latin1');
    const basic = parseBasicCredentials(header);
    if (basic !== undefined) assert.ok(!basic.name.includes(':'));
    const cookie = cookieValue(header, 'SyncGatewaySession');
    if (cookie !== undefined) assert.ok(header.includes(cookie) && cookie !== '');
    const accepted = [
      acceptsGzip(header),
      prefersJson(header, 'multipart/mixed'),
      namesType(header, 'multipart/related'),
    ];
    return `${basic === undefined} ${cookie === undefined} ${accepted.join(' ')}`;
  },
};
