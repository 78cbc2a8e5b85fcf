import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { runConformance } from './helpers/run-conformance.ts';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';

// What a reference answers, replayed against one gateway; one test for each folder of scenarios.
const SCENARIOS = path.join(import.meta.dirname, 'conformance/scenarios');

/** Folders, and scenarios of others, whose features are not there yet, with what is missing. */
const NOT_YET: Readonly<Record<string, string>> = {
  'online-offline/admin-while-offline': 'replication between gateways',
  'online-offline/public-while-offline': '_blipsync',
  replication: 'replication between gateways',
  'server/status': 'replication between gateways',
};

/** Scenarios that are answered otherwise on purpose, with why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'database/config-get': 'session_cookie_http_only is on by default',
  'docs/conflicting-pushes': 'allow_conflicts is accepted, as it was up to 3.x',
};
const EXPECTED: Readonly<Record<string, string>> = { ...NOT_YET, ...OTHERWISE };

const folders = readdirSync(SCENARIOS).toSorted();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: GatewayProcess;

before(async () => {
  folder = await temporaryFolder();
  gateway = await runGateway({ dataDir: folder.path });
});
after(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

for (const name of folders.filter((each) => !Object.hasOwn(NOT_YET, each))) {
  test(`answers as the reference does: ${name}/`, async () => {
    const { passed, failed, mismatches } = await runConformance(gateway, `${name}/`);
    const expected = scenarios(name).filter((each) => Object.hasOwn(EXPECTED, each));
    assert.deepEqual(
      mismatches.filter((line) => line.startsWith('FAIL')).map((line) => line.slice(5).trim()),
      expected,
      `\n${mismatches.join('\n')}\n${gateway.log().slice(-4000)}`,
    );
    assert.equal(failed, expected.length);
    assert.equal(passed, scenarios(name).length - failed);
  });
}

test('everything that is left out is there', () => {
  const there = new Set([...folders, ...folders.flatMap(scenarios)]);
  const gone = Object.keys(EXPECTED).filter((name) => !there.has(name));
  assert.deepEqual(gone, []);
});

/** The names of a folder's scenarios, in the order in which they are replayed. */
function scenarios(folderName: string): readonly string[] {
  const files = readdirSync(path.join(SCENARIOS, folderName), { recursive: true }).map(String);
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => `${folderName}/${file.slice(0, -'.json'.length)}`)
    .toSorted();
}
