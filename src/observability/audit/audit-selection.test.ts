import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditSelection, selectedIds } from './audit-selection.ts';

const CREATE_USER = 54_100;
const READ_DOCUMENT = 55_001;
const STARTUP = 53_260;
const STATS = 53_303;

test('where nothing is named, the usual events are told', () => {
  const usual = new AuditSelection({ enabled: true, enabled_events: undefined });
  assert.equal(usual.has(CREATE_USER), true);
  assert.equal(usual.has(READ_DOCUMENT), false);
});

test('where ids are named, those alone are told, and what is always told', () => {
  const named = new AuditSelection({ enabled: true, enabled_events: [READ_DOCUMENT] });
  assert.equal(named.has(CREATE_USER), false);
  assert.equal(named.has(READ_DOCUMENT), true);
  assert.equal(
    new AuditSelection({ enabled: true, enabled_events: [] }, 'global').has(STARTUP),
    true,
  );
});

test('a database cannot choose what is the gateway’s', () => {
  assert.equal(selectedIds({ enabled_events: [STATS] }, 'database').has(STATS), false);
  assert.equal(selectedIds({ enabled_events: [STATS] }, 'global').has(STATS), true);
});

test('what is switched off tells nothing at all', () => {
  const off = new AuditSelection({ enabled: false, enabled_events: [READ_DOCUMENT] });
  assert.equal(off.has(READ_DOCUMENT), false);
  assert.equal(
    new AuditSelection({ enabled: false, enabled_events: [] }, 'global').has(STARTUP),
    false,
  );
});

test('users and roles of the database are passed over by name, those of a cluster are nobody', () => {
  const selection = new AuditSelection({
    enabled: true,
    enabled_events: undefined,
    disabled_users: [
      { domain: 'sgw', name: 'robot' },
      { domain: 'cbs', name: 'ann' },
    ],
    disabled_roles: [{ domain: 'sgw', name: 'machines' }],
  });
  const roles = new Map([['machines', 1]]);
  const none = new Map();
  assert.equal(selection.filters({ domain: 'sgw', user: 'robot', roles: none }), 'user');
  assert.equal(selection.filters({ domain: 'sgw', user: 'ann', roles: none }), undefined);
  assert.equal(selection.filters({ domain: 'sgw', user: 'ann', roles }), 'role');
  assert.equal(selection.filters({ domain: 'admin', user: 'robot', roles: none }), undefined);
});
