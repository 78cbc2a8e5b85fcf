import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { GatewayProcess } from './helpers/run-gateway.ts';
import { runGateway } from './helpers/run-gateway.ts';
import { temporaryFolder } from './helpers/temporary-folder.ts';

// What the pages tell a reader to type is typed here: every block of shell that is marked `tested`,
// from top to bottom, against a gateway with the sample database. A block that is marked `output`
// tells what the block before it prints.

const ROOT = path.join(import.meta.dirname, '..');
const PAGES = [
  'README.md',
  'docs/concepts.md',
  'docs/sync-function.md',
  'docs/import.md',
  'docs/tokens.md',
];
const BLOCK_MS_MAX = 60_000;

interface Block {
  readonly line: number;
  readonly script: string;
  /** Undefined where the page does not say: then no command may fail. */
  readonly output: string | undefined;
}

for (const page of PAGES) {
  test(`what ${page} tells to type does what it says`, async () => {
    await using folder = await temporaryFolder();
    await using gateway = await runGateway({ dataDir: folder.path });
    const blocks = testedBlocks(readFileSync(path.join(ROOT, page), 'utf8'));
    assert.ok(blocks.length > 0, `${page} has no tested block`);
    for (const { line, script, output } of blocks) {
      const printed = await runScript(script, {
        gateway,
        dataDir: folder.path,
        mayFail: output !== undefined,
      });
      if (output !== undefined) assert.equal(tidied(printed), tidied(output), `${page}:${line}`);
    }
  });
}

function testedBlocks(markdown: string): readonly Block[] {
  const fences = markdown.matchAll(/^```(\w+) (tested|output)\n(.*?)^```$/gms);
  const blocks: Block[] = [];
  for (const { 1: language, 2: mark, 3: text = '', index } of fences) {
    const line = markdown.slice(0, index).split('\n').length;
    if (mark === 'tested') {
      assert.equal(language, 'sh', `line ${line}: only shell is tested`);
      blocks.push({ line, script: text, output: undefined });
      continue;
    }
    const last = blocks.pop();
    assert.ok(last !== undefined && last.output === undefined, `line ${line}: the output of what?`);
    blocks.push({ ...last, output: text });
  }
  return blocks;
}

/** What the script prints, with the ports and the file of the pages. Rejects where it fails. */
async function runScript(
  script: string,
  {
    gateway,
    dataDir,
    mayFail,
  }: {
    readonly gateway: GatewayProcess;
    readonly dataDir: string;
    readonly mayFail: boolean;
  },
): Promise<string> {
  const { public: clients, admin, metrics } = gateway.urls;
  const places = [
    ['data/demo.sqlite', path.join(dataDir, 'demo.sqlite')],
    ['http://127.0.0.1:4984', clients],
    ['http://127.0.0.1:4985', admin],
    ['http://127.0.0.1:4986', metrics],
  ] as const;
  const here = places.reduce((text, [told, real]) => text.replaceAll(told, real), script);
  const curl = `curl() { command curl -sS ${mayFail ? '' : '-f '}-w '\\n' "$@"; }`;
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-euo', 'pipefail', '-c', `${curl}\n${here}`],
    {
      cwd: ROOT,
      timeout: BLOCK_MS_MAX,
    },
  );
  return places.reduce((text, [told, real]) => text.replaceAll(real, told), stdout);
}

/** Without empty lines and white space at the ends: here `curl` ends each answer with a line. */
function tidied(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join('\n');
}
