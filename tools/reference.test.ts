import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { auditEventsPage, configurationPage, metricsPage } from './reference-page.ts';

const read = (name: string) => readFile(new URL(`../docs/${name}`, import.meta.url), 'utf8');

test('the reference pages of docs/ are what the tables say (npm run docs)', async () => {
  assert.equal(await read('configuration.md'), configurationPage());
  assert.equal(await read('metrics.md'), metricsPage());
  assert.equal(await read('audit-events.md'), auditEventsPage());
});
