import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Another process's transaction on the file of a bucket: it keeps every other writer out. */
export interface BucketLock extends AsyncDisposable {
  release(): Promise<void>;
}

const HOLD = `
  const { DatabaseSync } = require('node:sqlite');
  const db = new DatabaseSync(process.argv[1], { timeout: 20000 });
  db.exec('BEGIN IMMEDIATE');
  console.log('locked');
  process.stdin.on('end', () => { db.exec('ROLLBACK'); db.close(); process.exit(); }).resume();
`;

/** Resolves once the file is locked. */
export async function lockBucket(path: string): Promise<BucketLock> {
  const child = spawn(process.execPath, ['--no-warnings', '-e', HOLD, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const release = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  return { release, [Symbol.asyncDispose]: release };
}
