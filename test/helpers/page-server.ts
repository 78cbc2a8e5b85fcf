import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rolldown } from 'rolldown';

/** A server of one page, on a port of its own and so of an origin of its own. */
export interface PageServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
}

/** One file of a program and of everything that it imports, as a browser runs it. */
export async function bundleForBrowser(program: string): Promise<string> {
  await using bundle = await rolldown({
    input: program,
    platform: 'browser',
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ format: 'iife' });
  return output[0].code;
}

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <title>Page of a test</title>
    <link rel="icon" href="data:," />
    <script src="script.js"></script>
  </head>
</html>
`;

/** Serves a page that runs this program. */
export async function servePage(script: string): Promise<PageServer> {
  const server = createServer(({ url }, response) => {
    const [type, text] = url === '/script.js' ? ['text/javascript', script] : ['text/html', PAGE];
    response.setHeader('content-type', `${type}; charset=utf-8`);
    response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
