import { parseStartup } from '../../src/config/startup-config.ts';
import { startGateway } from '../../src/gateway.ts';
import { silentLog } from '../../src/observability/log.ts';
import { systemClock } from '../../src/util/clock.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface TestGateway extends AsyncDisposable {
  readonly public: string;
  readonly admin: string;
  readonly metrics: string;
}

const ANY_PORT = '127.0.0.1:0';

/** A gateway in this process, on ports of its own, with a folder of its own. */
export async function startTestGateway(): Promise<TestGateway> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const gateway = opening.use(
    await startGateway(
      parseStartup('{}', {
        dataDir: folder.path,
        publicInterface: ANY_PORT,
        adminInterface: ANY_PORT,
        metricsInterface: ANY_PORT,
      }),
      { log: silentLog, clock: systemClock },
    ),
  );
  const open = opening.move();
  return { ...gateway.urls, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
