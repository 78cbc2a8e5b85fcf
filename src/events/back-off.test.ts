import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOffMs, retryAfterMs } from './back-off.ts';

test('pauses grow to a minute at most, and of many not all are the same', () => {
  for (let failures = 1; failures < 100; failures += 1) {
    const whole = Math.min(500 * 2 ** (failures - 1), 60_000);
    const pause = backOffMs(failures, 'a');
    assert.ok(pause >= whole / 2 && pause <= whole, `${failures}: ${pause}`);
    assert.equal(pause, backOffMs(failures, 'a'));
  }
  const pauses = Array.from({ length: 50 }, (_, n) => backOffMs(5, `event ${n}`));
  assert.ok(new Set(pauses).size > 40);
});

test('a receiver may ask for a pause in seconds or by a date, within bounds', () => {
  const now = Date.UTC(2026, 0, 1);
  assert.equal(retryAfterMs('3', now), 3000);
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now), 30_000);
  assert.equal(retryAfterMs('Thu, 01 Jan 2020 00:00:30 GMT', now), 0);
  assert.equal(retryAfterMs('999999', now), 600_000);
  for (const header of [undefined, '', 'soon', '-1x'])
    assert.equal(retryAfterMs(header, now), undefined);
});
