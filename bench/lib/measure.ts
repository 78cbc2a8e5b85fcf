/** One way to do a thing, for a micro-benchmark; `run` gives something that cannot be left out. */
export interface Case {
  readonly name: string;
  /** A string that it gives is made whole, as sending it would: that belongs to the cost. */
  readonly run: () => unknown;
  /** Bytes that one run handles, for a rate; 0 or absent for none. */
  readonly bytes?: number;
}

const WARM_UP_MS = 200;
const ROUND_MS = 200;
const ROUNDS = 5;
const NS_PER_MS = 1e6;

/** Prints what each case costs: the best of some rounds, which a busy machine disturbs least. */
export function measure(title: string, cases: readonly Case[]): void {
  console.log(title);
  for (const each of cases) {
    const nanoseconds = cost(each);
    const rate = ((each.bytes ?? 0) / nanoseconds) * 1000;
    const more = rate === 0 ? '' : `  ${rate.toFixed(0).padStart(5)} MB/s`;
    const micros = (nanoseconds / 1000).toFixed(3).padStart(10);
    console.log(`  ${each.name.padEnd(44)}${micros} µs${more}`);
  }
}

function cost({ run }: Case): number {
  rounds(run, WARM_UP_MS);
  return Math.min(...Array.from({ length: ROUNDS }, () => rounds(run, ROUND_MS)));
}

/** Nanoseconds a run, over about `ms` milliseconds. */
function rounds(run: () => unknown, ms: number): number {
  let batch = 1;
  for (;;) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < batch; i += 1) use(run());
    const nanoseconds = Number(process.hrtime.bigint() - begin);
    if (nanoseconds >= ms * NS_PER_MS) return nanoseconds / batch;
    batch = Math.ceil(Math.max(batch * 2, (batch * ms * NS_PER_MS) / Math.max(nanoseconds, 1)));
  }
}

let sink: unknown;

/** Keeps results alive, so that no run is optimised away; makes a string of parts one. */
function use(result: unknown): void {
  sink = typeof result === 'string' ? Buffer.byteLength(result) : result;
}

process.on('exit', () => {
  if (sink === measure) console.log('');
});
