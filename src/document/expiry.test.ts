import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGatewayError } from '../util/errors.ts';
import { formatExpiry, parseExpiry } from './expiry.ts';

const NOW = 1_700_000_000.7;

const accepted: readonly (readonly [unknown, number])[] = [
  [null, 0],
  [undefined, 0],
  [0, 0],
  ['0', 0],
  [2, 1_700_000_002],
  ['2', 1_700_000_002],
  [2_592_000, 1_702_592_000],
  [2_592_001, 2_592_001],
  [1_300_000_000, 1_300_000_000],
  [4_102_444_800, 4_102_444_800],
  ['2000000000', 2_000_000_000],
  ['2099-12-31T23:59:59Z', 4_102_444_799],
  ['2099-12-31T23:59:59.500+02:00', 4_102_437_599],
  ['1960-01-01T00:00:00Z', 1],
];
for (const [value, expiry] of accepted) {
  test(`_exp ${JSON.stringify(value)} is ${expiry}`, () => {
    assert.equal(parseExpiry(value, NOW), expiry);
  });
}

const refused: readonly unknown[] = [
  'tomorrow',
  'never',
  '',
  true,
  -5,
  '-5',
  [1],
  {},
  1.5,
  '1.5',
  '2099-12-31',
  '2099-12-31T23:59:59',
  '2099-13-31T23:59:59Z',
  '2199-12-31T23:59:59Z',
  99_999_999_999,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];
for (const value of refused) {
  test(`_exp ${JSON.stringify(value)} is refused`, () => {
    assert.throws(
      () => parseExpiry(value, NOW),
      (cause) => isGatewayError(cause, 'badRequest'),
    );
  });
}

test('an expiry is shown as an ISO time', () => {
  assert.equal(formatExpiry(4_102_444_800), '2100-01-01T00:00:00Z');
});
