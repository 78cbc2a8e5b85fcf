import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock } from './clock.ts';
import { isGatewayError } from './errors.ts';
import { isForbiddenAddress } from './forbidden-address.ts';
import type { OutgoingAnswer, OutgoingOptions } from './outgoing-requests.ts';
import { ANSWER_BYTES_MAX, OutgoingRequests } from './outgoing-requests.ts';

type Answering = (request: IncomingMessage, response: ServerResponse) => void;

async function receiver(answer: Answering): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const never = new AbortController().signal;

async function post(
  url: string,
  options: Partial<OutgoingOptions> & { readonly timeoutMs?: number } = {},
): Promise<OutgoingAnswer> {
  using outgoing = new OutgoingRequests({ clock: systemClock, allowedHosts: [], ...options });
  const { timeoutMs = 5000 } = options;
  return await outgoing.send({ method: 'POST', url, body: '{"a":1}', timeoutMs }, never);
}

const refuses = (tag: 'forbidden' | 'unavailable', said: RegExp) => (cause: unknown) =>
  isGatewayError(cause, tag) && said.test(cause.message);

test('addresses that are link-local or give credentials are forbidden, in every spelling', () => {
  const wrong = [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:1',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fd00:ec2::254',
    '100.100.100.200',
  ];
  for (const address of wrong) assert.ok(isForbiddenAddress(address), address);
  for (const address of ['127.0.0.1', '::1', '10.0.0.1', '192.168.1.1', 'fec0::1', 'host'])
    assert.equal(isForbiddenAddress(address), false, address);
});

test('a request brings its body and gets the answer', async () => {
  await using hook = await receiver((request, response) => {
    request.on('data', (chunk: Buffer) => response.write(chunk)).on('end', () => response.end());
  });
  const { code, text, isWhole } = await post(hook.url);
  assert.deepEqual({ code, text, isWhole }, { code: 200, text: '{"a":1}', isWhole: true });
});

test('a redirect on the same host is followed with the body, and not for ever', async () => {
  await using hook = await receiver((request, response) => {
    const left = Number(request.url?.slice(1));
    if (left > 0) response.writeHead(308, { Location: `/${left - 1}` }).end();
    else request.pipe(response);
  });
  assert.equal((await post(`${hook.url}/3`)).text, '{"a":1}');
  await assert.rejects(post(`${hook.url}/4`), refuses('unavailable', /more than 3 redirects/));
});

test('a redirect to another host, port or link-local address is not followed', async () => {
  await using hook = await receiver((request, response) => {
    response.writeHead(302, { Location: decodeURIComponent(request.url?.slice(1) ?? '') }).end();
  });
  for (const to of ['http://localhost/x', 'http://127.0.0.1:1/', 'http://169.254.169.254/'])
    await assert.rejects(
      post(`${hook.url}/${encodeURIComponent(to)}`),
      refuses('forbidden', /is not followed/),
    );
});

test('a link-local address is not asked, be it written as a number or behind a name', async () => {
  const urls = ['http://169.254.169.254/', 'http://2852039166/', 'http://[fe80::1]/'];
  for (const url of urls) await assert.rejects(post(url), refuses('forbidden', /link-local/));
  const lookup = ((_name: string, _options: object, told: (...args: unknown[]) => void) => {
    const addresses: LookupAddress[] = [
      { address: '127.0.0.1', family: 4 },
      { address: '169.254.1.1', family: 4 },
    ];
    told(null, addresses);
  }) as unknown as NonNullable<OutgoingOptions['lookup']>;
  await assert.rejects(
    post('http://rebound.test/', { lookup }),
    refuses('forbidden', /169\.254\.1\.1/),
  );
});

test('where hosts are listed, no other is asked', async () => {
  await using hook = await receiver((_request, response) => void response.end());
  const allowedHosts = ['127.0.0.1', '*.example.com'];
  assert.equal((await post(hook.url, { allowedHosts })).code, 200);
  for (const url of ['http://example.com/', 'http://localhost/', 'http://badexample.com/'])
    await assert.rejects(post(url, { allowedHosts }), refuses('forbidden', /allowed_hosts/));
});

test('a receiver that hangs is given up at the time limit', async () => {
  await using hook = await receiver(() => undefined);
  const request = post(hook.url, { timeoutMs: 100 });
  await assert.rejects(request, refuses('unavailable', /within 100 ms/));
});

test('of an answer without end a limited part is read', async () => {
  await using hook = await receiver((_request, response) => {
    const more = (): void => {
      while (response.writable && response.write('x'.repeat(16_384)));
    };
    response.on('drain', more);
    more();
  });
  const { code, text, isWhole } = await post(hook.url);
  assert.equal(code, 200);
  assert.ok(text.length <= ANSWER_BYTES_MAX);
  assert.equal(isWhole, false);
});

test('a kept connection that the receiver has closed is replaced', async () => {
  let connections = 0;
  await using hook = await receiver((request, response) => {
    const isSecond = request.headers['x-n'] === '2' && connections++ === 0;
    if (isSecond) request.socket.destroy();
    else response.end('ok');
  });
  using outgoing = new OutgoingRequests({ clock: systemClock, allowedHosts: [] });
  for (const n of ['1', '2']) {
    const headers = { 'X-N': n };
    const request = { method: 'POST', url: hook.url, headers, body: '', timeoutMs: 5000 } as const;
    assert.equal((await outgoing.send(request, never)).text, 'ok');
  }
});

test('nobody there is told in the words of the system', async () => {
  const gone = await receiver(() => undefined);
  await gone[Symbol.asyncDispose]();
  await assert.rejects(post(gone.url), refuses('unavailable', /ECONNREFUSED/));
});
