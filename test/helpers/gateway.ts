import { parseStartup } from '../../src/config/startup-config.ts';
import { startGateway } from '../../src/gateway.ts';
import { createLog } from '../../src/observability/pino-log.ts';
import type { Clock } from '../../src/util/clock.ts';
import { systemClock } from '../../src/util/clock.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface TestGateway extends AsyncDisposable {
  readonly public: string;
  readonly admin: string;
  readonly metrics: string;
  /** Of the buckets: `NAME.sqlite` in it. */
  readonly dataDir: string;
}

const ANY_PORT = '127.0.0.1:0';
const SILENT = {
  level: 'none',
  keys: [],
  redaction: 'full',
  format: 'json',
  color: false,
  destination: 'stderr',
} as const;

/**
 * A gateway in this process, on ports of its own, with a folder of its own, that logs nothing.
 * `config` is its start-up configuration.
 */
export async function startTestGateway(
  config: Readonly<Record<string, unknown>> = {},
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<TestGateway> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const log = opening.use(createLog({ ...SILENT, clock: systemClock }));
  const gateway = opening.use(
    await startGateway(
      parseStartup(JSON.stringify(config), {
        dataDir: folder.path,
        publicInterface: ANY_PORT,
        adminInterface: ANY_PORT,
        metricsInterface: ANY_PORT,
      }),
      { log, clock },
    ),
  );
  const open = opening.move();
  return {
    ...gateway.urls,
    dataDir: folder.path,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
