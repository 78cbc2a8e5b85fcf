/** A process for tests that commits until it is killed, and tells what was acknowledged. */
import { silentLog } from '../../observability/log.ts';
import { systemClock } from '../../util/clock.ts';
import { must } from '../../util/assert.ts';
import { move, putDocument } from '../contract/changes.ts';
import { SqliteServer } from './sqlite-server.ts';

const folder = must(process.argv[2], 'the folder is told');
const round = must(process.argv[3], 'the round is told');
const server = await SqliteServer.inFolder(folder, { log: silentLog, clock: systemClock });
const bucket = await server.open('crash', { create: true });
const c = await bucket.openCollection('_default._default');

async function write(writer: number): Promise<never> {
  for (let n = 0; ; n += 1) {
    const key = `r${round}-w${writer}-${n}`;
    const change = putDocument(c, key, {
      body: `{"n":${n}}`,
      channels: move(['all', `w${writer}`]),
    });
    const [result] = await bucket.commit([change]);
    if (result?.ok === true) process.send?.({ key, seq: result.seq });
  }
}

await Promise.all([0, 1, 2, 3].map(write));
