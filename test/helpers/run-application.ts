// An application that writes into the file of a bucket until its standard input ends, by the driver
// of Node and by the sqlite3 program, and tells each write that was committed on a line of its own.
//   run-application.ts FILE KEYS SEED PAUSE_MS
import { execFileSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from './random.ts';

/** A write of the application that was committed. */
export interface ApplicationWrite {
  readonly key: string;
  /** What it wrote; null: it deleted the row. No text is written twice. */
  readonly body: string | null;
  /** The row as it was before, in the same transaction; null for none. */
  readonly before: Row | null;
}

interface Row {
  readonly cas: number;
  readonly body: string;
}

const BUSY_MS = 20_000;
/** Of so many writes one is made by the sqlite3 program. */
const BY_PROGRAM = 25;

const [file = '', keys = '50', seed = '1', pauseMs = '5'] = process.argv.slice(2);
const random = randomOf(Number(seed));
const below = (count: number): number => Math.floor(random() * count);

const db = new DatabaseSync(file, { timeout: BUSY_MS });
const read = db.prepare('SELECT cas, body FROM documents WHERE collection = 1 AND key = ?');
const WRITES = [
  `INSERT INTO documents (key, body) VALUES (?1, ?2)
   ON CONFLICT (collection, key) DO UPDATE SET body = ?2`,
  'INSERT OR REPLACE INTO documents (key, body) VALUES (?1, ?2)',
].map((sql) => db.prepare(sql));
const remove = db.prepare('DELETE FROM documents WHERE collection = 1 AND key = ?');

let isEnding = false;
process.stdin.on('end', () => (isEnding = true)).resume();
for (let n = 0; !isEnding; n += 1) {
  const key = `d${below(Number(keys))}`;
  const body = JSON.stringify({ app: n, channels: [`c${n % 3}`] });
  const done = below(BY_PROGRAM) === 0 ? byProgram(key, body) : byDriver(key, body);
  if (done !== undefined) process.stdout.write(`${JSON.stringify(done)}\n`);
  await sleep(below(Number(pauseMs) * 2));
}
db.close();

function byDriver(key: string, body: string): ApplicationWrite | undefined {
  db.exec('BEGIN IMMEDIATE');
  const row = read.get(key);
  const before = row === undefined ? null : { cas: Number(row['cas']), body: String(row['body']) };
  const deletes = below(6) === 0;
  if (deletes) remove.run(key);
  else WRITES[below(WRITES.length)]?.run(key, body);
  db.exec('COMMIT');
  if (deletes && before === null) return undefined;
  return { key, body: deletes ? null : body, before };
}

function byProgram(key: string, body: string): ApplicationWrite {
  const script = `.timeout ${BUSY_MS}
BEGIN IMMEDIATE;
SELECT json_object('cas', cas, 'body', body) FROM documents WHERE collection = 1 AND key = '${key}';
INSERT INTO documents (key, body) VALUES ('${key}', '${body}')
  ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body;
COMMIT;`;
  const told = execFileSync('sqlite3', ['-bail', file], { input: script, encoding: 'utf8' });
  return { key, body, before: told.trim() === '' ? null : (JSON.parse(told) as Row) };
}
