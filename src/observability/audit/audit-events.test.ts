import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEvent } from './audit-event.ts';
import { AUDIT_EVENTS, auditEvent, auditEventsOf } from './audit-events.ts';

const EVENTS = Object.values<AuditEvent>(AUDIT_EVENTS);

/** First and last of each row of ids that the reference lists. */
const LISTED = [
  [53_248, 53_250],
  [53_260, 53_260],
  [53_270, 53_273],
  [53_280, 53_284],
  [53_290, 53_292],
  [53_300, 53_304],
  [54_000, 54_003],
  [54_010, 54_011],
  [54_020, 54_021],
  [54_030, 54_032],
  [54_040, 54_042],
  [54_100, 54_106],
  [54_110, 54_114],
  [54_200, 54_200],
  [54_300, 54_301],
  [54_400, 54_403],
  [54_410, 54_413],
  [54_420, 54_421],
  [55_000, 55_008],
  [55_010, 55_013],
] as const;

test('every id that the reference lists is an event', () => {
  for (const [first, last] of LISTED)
    for (let id = first; id <= last; id++) assert.equal(auditEvent(id)?.id, id);
});

test('ids are given once, in order within a scope, and unknown ones are none', () => {
  assert.equal(new Set(EVENTS.map(({ id }) => id)).size, EVENTS.length);
  for (const scope of ['global', 'database'] as const) {
    const ids = auditEventsOf(scope).map(({ id }) => id);
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    );
  }
  assert.equal(auditEvent(1), undefined);
});

test('what cannot be switched off is the gateway’s, and on', () => {
  const fixed = EVENTS.filter(({ isFilterable }) => !isFilterable);
  assert.deepEqual(
    fixed.map(({ id }) => id),
    [53_248, 53_249, 53_250, 53_260],
  );
  assert.ok(fixed.every(({ scope, isDefault }) => scope === 'global' && isDefault));
});
