import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { GatewayProcess } from './run-gateway.ts';

/** What the transcripts' own runner says of a gateway. */
export interface ConformanceResult {
  readonly passed: number;
  readonly failed: number;
  /** Its lines about mismatches. */
  readonly mismatches: readonly string[];
}

const RUNNER = path.join(import.meta.dirname, '../conformance/run.mjs');

/** Replays the scenarios whose names begin with `only` against a gateway. */
export async function runConformance(
  { urls }: Pick<GatewayProcess, 'urls'>,
  only: string,
): Promise<ConformanceResult> {
  const targets = Object.entries(urls).flatMap(([name, url]) => [`--${name}`, url]);
  const child = spawn(process.execPath, [RUNNER, ...targets, '--only', only], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const output = await text(child.stdout);
  await ended;
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  if (counts === null) throw new Error(`the runner told no result:\n${output}`);
  return {
    passed: Number(counts[1]),
    failed: Number(counts[2]),
    mismatches: output.split('\n').filter((line) => /^(FAIL|\s{5})/.test(line)),
  };
}
