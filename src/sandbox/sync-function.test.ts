import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { silentLog, type Log } from '../observability/log.ts';
import { isGatewayError } from '../util/errors.ts';
import { defaultSyncFunction } from './default-sync-function.ts';
import type { Sandbox, SyncInput, SyncOutcome, SyncWriter, WriterDescription } from './sandbox.ts';
import { startSandbox } from './start-sandbox.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ log: silentLog });
});
after(async () => {
  await sandbox[Symbol.asyncDispose]();
});

const accepted: SyncOutcome = {
  rejection: undefined,
  channels: [],
  access: {},
  roles: {},
  expiry: undefined,
  askedForRights: false,
};

type Input = Partial<Omit<SyncInput, 'doc'>> & { readonly log?: Log };

async function judge(source: string, doc: unknown = {}, input: Input = {}): Promise<SyncOutcome> {
  const { log = silentLog, ...rest } = input;
  using compiled = await sandbox.syncFunction(source, { timeoutMs: 0, log });
  return await compiled.run({
    doc: JSON.stringify(doc),
    oldDoc: null,
    meta: '{}',
    writer: null,
    ...rest,
  });
}

async function failureOf(source: string, doc: unknown = {}) {
  const cause: unknown = await judge(source, doc).then(
    () => assert.fail('the function did not fail'),
    (error: unknown) => error,
  );
  assert(isGatewayError(cause, 'functionFailed'), String(cause));
  return cause;
}

const writer = (description: WriterDescription): SyncWriter => ({
  key: `${description.name} 1`,
  describe: () => description,
});
const AMY = writer({ name: 'amy', roles: ['chief'], channels: ['!', 'c1', 'c2'] });
const GUEST = writer({ name: '', roles: [], channels: ['!'] });
const STAR = writer({ name: 'star', roles: [], channels: ['*', '!'] });

test('channel takes names and lists one level deep, and passes over everything else', async () => {
  const source = 'function(doc) { channel.apply(null, doc.args) }';
  const channelsOf = async (...args: readonly unknown[]) =>
    (await judge(source, { args })).channels;
  assert.deepEqual(await channelsOf('solo'), ['solo']);
  assert.deepEqual(await channelsOf('x', ['y', 'z'], 'x'), ['x', 'y', 'z']);
  assert.deepEqual(await channelsOf(['n1', ['n2', ['n3']]], 'n4'), ['n1', 'n4']);
  assert.deepEqual(await channelsOf(null, ['k', null], 5, true, { a: 1 }, ['ok', 7]), ['k', 'ok']);
  assert.deepEqual(await channelsOf(), []);
  const spaced = ['with space', 'Ünï', 'a.b-c_d/e:f@g', '*', '!'];
  assert.deepEqual(await channelsOf(spaced), spaced);
});

test('a channel name with a comma fails the write', async () => {
  const failure = await failureOf('function(doc) { channel("a,b") }');
  assert.match(failure.message, /"a,b" is no valid channel name/);
});

test('access gives users and roles channels', async () => {
  const source = 'function(doc) { doc.acc.forEach(function(x) { access(x[0], x[1]) }) }';
  const acc = [
    ['ike', 'solo'],
    [
      ['ike', 'jan'],
      ['duo', 'trio'],
    ],
    ['role:team', 'crew'],
    [null, 'x'],
    ['ike', null],
    ['ike', 5],
    [[], []],
  ];
  const outcome = await judge(source, { acc });
  assert.deepEqual(outcome, {
    ...accepted,
    access: { ike: ['solo', 'duo', 'trio'], jan: ['duo', 'trio'], 'role:team': ['crew'] },
  });
});

test('role gives users roles, whose names must begin with role:', async () => {
  const source = 'function(doc) { doc.rol.forEach(function(x) { role(x[0], x[1]) }) }';
  const rol = [
    ['ike', 'role:team'],
    [['later'], ['role:team', 'role:ghost']],
    ['jan', null],
  ];
  const { roles } = await judge(source, { rol });
  assert.deepEqual(roles, { ike: ['team'], later: ['team', 'ghost'] });
  const failure = await failureOf(source, { rol: [['ike', 'team']] });
  assert.match(failure.message, /"role:NAME", not "team"/);
});

test('requireUser passes for a user of the list alone', async () => {
  const source = 'function(doc) { requireUser(doc.u); channel("c") }';
  const asked = { ...accepted, channels: ['c'], askedForRights: true };
  assert.deepEqual(await judge(source, { u: 'amy' }, { writer: AMY }), asked);
  assert.deepEqual(await judge(source, { u: ['bo', 'amy'] }, { writer: AMY }), asked);
  const rejection = { kind: 'forbidden', reason: 'wrong user' };
  for (const u of ['bo', [], null, 5, [['amy']]])
    assert.deepEqual((await judge(source, { u }, { writer: AMY })).rejection, rejection);
  assert.deepEqual((await judge(source, { u: '' }, { writer: GUEST })).rejection, rejection);
  assert.equal((await judge(source, { u: 'bo' }, { writer: AMY })).askedForRights, true);
});

test('requireRole passes for names without role:', async () => {
  const source = 'function(doc) { requireRole(doc.r) }';
  const asked = { ...accepted, askedForRights: true };
  assert.deepEqual(await judge(source, { r: 'chief' }, { writer: AMY }), asked);
  assert.deepEqual(await judge(source, { r: ['clerk', 'chief'] }, { writer: AMY }), asked);
  for (const r of ['role:chief', 'clerk', [], null]) {
    const { rejection } = await judge(source, { r }, { writer: AMY });
    assert.deepEqual(rejection, { kind: 'forbidden', reason: 'missing role' });
  }
});

test('requireAccess passes for one channel of the list, and for who reads everything', async () => {
  const source = 'function(doc) { requireAccess(doc.c) }';
  const asked = { ...accepted, askedForRights: true };
  assert.deepEqual(await judge(source, { c: ['c9', 'c2'] }, { writer: AMY }), asked);
  assert.deepEqual(await judge(source, { c: 'c9' }, { writer: STAR }), asked);
  for (const [c, writer] of [
    ['c9', AMY],
    [[], AMY],
    [[], STAR],
    [null, STAR],
  ] as const) {
    const { rejection } = await judge(source, { c }, { writer });
    assert.deepEqual(rejection, { kind: 'forbidden', reason: 'missing channel access' });
  }
});

test('requireAdmin refuses every user, and an administrator passes every require', async () => {
  const all = `function(doc) { requireAdmin(); requireUser([]); requireRole('x'); requireAccess([]);
    channel('c') }`;
  assert.deepEqual(await judge(all), { ...accepted, channels: ['c'] });
  const { rejection } = await judge(all, {}, { writer: STAR });
  assert.deepEqual(rejection, { kind: 'forbidden', reason: 'admin required' });
});

test('a require that was caught does not reject, but was asked', async () => {
  const source = `function() { try { requireUser('bo') } catch (e) { channel(e.forbidden) } }`;
  const outcome = await judge(source, {}, { writer: AMY });
  assert.deepEqual(outcome, { ...accepted, channels: ['wrong user'], askedForRights: true });
});

test('thrown forbidden and unauthorized are rejections, with nothing else of the call', async () => {
  const reject = async (thrown: string) =>
    judge(`function() { channel('kept'); access('a', 'b'); throw(${thrown}) }`);
  const rejected = (kind: 'forbidden' | 'unauthorized', reason: string) => ({
    ...accepted,
    rejection: { kind, reason },
  });
  assert.deepEqual(await reject('{forbidden: "no way"}'), rejected('forbidden', 'no way'));
  assert.deepEqual(await reject('{unauthorized: "log in"}'), rejected('unauthorized', 'log in'));
  assert.deepEqual(await reject('{forbidden: ""}'), rejected('forbidden', ''));
  assert.deepEqual(await reject('{unauthorized: "u", forbidden: "f"}'), rejected('forbidden', 'f'));
  assert.deepEqual(await reject('{forbidden: {a: 1}}'), rejected('forbidden', '{"a":1}'));
  assert.deepEqual(await reject('{forbidden: true}'), rejected('forbidden', 'true'));
});

test('anything else that is thrown is a failure with line and column', async () => {
  const failure = await failureOf('function(doc) {\n  channel("a");\n  return nosuch.thing;\n}');
  assert.match(failure.message, /line 3, column 3: ReferenceError: nosuch is not defined/);
  assert.deepEqual(failure.details, { line: 3, column: 3 });
  const first = await failureOf('function(doc) { doc.a.b }');
  assert.deepEqual(first.details, { line: 1, column: 23 });
  assert.match((await failureOf('function() { throw("plain") }')).message, /plain/);
  assert.match((await failureOf('function() { throw({other: 1}) }')).message, /\{"other":1\}/);
});

test('expiry gives its last value as JSON', async () => {
  const expiryOf = async (...calls: readonly string[]) =>
    (await judge(`function() { ${calls.map((call) => `expiry(${call})`).join(';')} }`)).expiry;
  assert.equal(await expiryOf(), undefined);
  assert.equal(await expiryOf('100'), '100');
  assert.equal(await expiryOf('100', '"2050-06-01T12:00:00Z"'), '"2050-06-01T12:00:00Z"');
  assert.equal(await expiryOf('null'), 'null');
  assert.equal(await expiryOf('new Date(0)'), '"1970-01-01T00:00:00.000Z"');
});

test('the arguments are the document, the one before it or null, and meta', async () => {
  const source = `function(doc, oldDoc, meta) {
    throw({forbidden: JSON.stringify([doc, oldDoc, meta, arguments.length])}) }`;
  const doc = { _id: 'a', _rev: '1-a', _deleted: true, 10: 'x', n: 1.5 };
  const old = { oldDoc: '{"_id":"a","v":"ü漢😀"}', meta: '{"xattrs":{"u":1}}' };
  const { rejection } = await judge(source, doc, old);
  const told = [doc, JSON.parse(old.oldDoc), JSON.parse(old.meta), 3] as unknown;
  assert.deepEqual(JSON.parse(rejection?.reason ?? ''), told);
  const { rejection: fresh } = await judge(source, doc);
  assert.deepEqual(JSON.parse(fresh?.reason ?? ''), [doc, null, {}, 3]);
});

test('console and log go to the log, at their levels', async () => {
  const lines: unknown[] = [];
  const line = (level: string) => (message: string, fields?: object) =>
    void lines.push([level, message, fields]);
  const log = { ...silentLog, info: line('info'), warn: line('warn'), error: line('error') };
  const source = `function(doc) { console.log('seen', doc, 1, null); log('old'); console.warn('w');
    console.error(new Error('e')); console.debug('off'); channel('c') }`;
  await judge(source, { a: 1 }, { log });
  assert.deepEqual(lines, [
    ['info', 'sync function wrote', { text: 'seen {"a":1} 1 null' }],
    ['info', 'sync function wrote', { text: 'old' }],
    ['warn', 'sync function wrote', { text: 'w' }],
    ['error', 'sync function wrote', { text: 'Error: e' }],
  ]);
});

test('a function may be written in any way that gives a function', async () => {
  const sources = [
    'function(doc, oldDoc) { channel(doc.ch) }',
    'function sync(doc) { channel(doc.ch) };\n',
    '(doc) => channel(doc.ch)',
    'doc => { const { ch } = doc; channel(...[ch]); }',
    '// before\n/* and */ function(doc) { channel(doc.ch) } // after',
    '(function(doc) { channel(doc.ch) })',
    'function(doc) {\n  "use strict";\n  class A { #x = doc.ch; get x() { return this.#x } }\n' +
      '  channel(new A().x ?? `none`) }',
    '(function() { var prefix = ""; return function(doc) { channel(prefix + doc.ch) } })()',
    'async function(doc) { channel(await Promise.resolve(doc.ch)) }',
    'function(doc) { for (i = 0; i < 2; i++) name = doc.ch; channel(name) }',
  ];
  for (const source of sources)
    assert.deepEqual((await judge(source, { ch: 'a' })).channels, ['a'], source);
});

test('an asynchronous function rejects and fails like another one', async () => {
  const source = 'async function() { await null; requireUser("bo"); channel("c") }';
  const { rejection } = await judge(source, {}, { writer: AMY });
  assert.deepEqual(rejection, { kind: 'forbidden', reason: 'wrong user' });
  const open = await failureOf('async function() { await new Promise(() => {}) }');
  assert.match(open.message, /did not settle/);
  const failed = await failureOf('async () => { await null; nosuch() }');
  assert.match(failed.message, /nosuch is not defined/);
});

test('a source that is no function is refused, with line and column of what is wrong', async () => {
  const refused: readonly (readonly [string, RegExp, object])[] = [
    ['', /is empty/, {}],
    [' ;\n', /is empty/, {}],
    ['function(doc) {', /unexpected end/, { line: 1, column: 16 }],
    ['not javascript at all (', /Unexpected identifier/, { line: 1, column: 5 }],
    ['function(doc) {\n  if (\n}', /Unexpected token '}'/, { line: 3, column: 1 }],
    ['function(doc) { return doc..x }', /Unexpected token '.'/, { line: 1, column: 28 }],
    ['1) + (function() {}', /Unexpected token/, { line: 1, column: 2 }],
    ['function(){} function(){}', /Unexpected token/, { line: 1, column: 14 }],
    ['5', /not a function/, {}],
    ['{}', /not a function/, {}],
    ['class A {}', /not a class/, {}],
    ['function*(doc) {}', /generator/, {}],
    ['async function*(doc) {}', /generator/, {}],
    ['(function() { throw new Error("early") })()', /early/, { line: 1, column: 21 }],
  ];
  for (const [source, message, details] of refused)
    await assert.rejects(sandbox.check(source), (cause) => {
      assert(isGatewayError(cause, 'badRequest'), String(cause));
      assert.match(cause.message, message, source);
      assert.deepEqual(cause.details, details, source);
      return true;
    });
  await sandbox.check('function(doc) { channel("x") }');
});

test('the default function routes by the property, a collection by its name', async () => {
  const channelsOf = async (name: string, doc: unknown) =>
    (await judge(defaultSyncFunction(name), doc)).channels;
  assert.deepEqual(await channelsOf('_default', { channels: ['one', 'two'] }), ['one', 'two']);
  assert.deepEqual(await channelsOf('_default', { channels: 'one' }), ['one']);
  assert.deepEqual(await channelsOf('_default', { channels: null }), []);
  assert.deepEqual(await channelsOf('_default', {}), []);
  assert.deepEqual(await channelsOf('books', { channels: ['ignored'] }), ['books']);
});

test('a writer is known by its key, in each function', async () => {
  const source = 'function(doc) { requireAccess(doc.c); channel("ok") }';
  using one = await sandbox.syncFunction(source, { timeoutMs: 0, log: silentLog });
  using two = await sandbox.syncFunction(source, { timeoutMs: 0, log: silentLog });
  const channels = Array.from({ length: 10_000 }, (_, i) => `channel-${i}`);
  const many = writer({ name: 'many', roles: [], channels });
  const fewer = { ...writer({ name: 'many', roles: [], channels: ['channel-1'] }), key: 'many 2' };
  const input = { doc: '{"c":["channel-9999"]}', oldDoc: null, meta: '{}' };
  for (const compiled of [one, two, one]) {
    assert.equal((await compiled.run({ ...input, writer: many })).rejection, undefined);
    assert.equal((await compiled.run({ ...input, writer: fewer })).rejection?.kind, 'forbidden');
  }
});

test('calls made together are answered in their order, as long as none is slow', async () => {
  const source = 'function(doc) { channel("c" + doc.i) }';
  // A busy machine makes any call slow; here none counts as that.
  const limits = { slowChecks: 1_000_000 };
  await using patient = await startSandbox({ log: silentLog, limits });
  using compiled = await patient.syncFunction(source, { timeoutMs: 0, log: silentLog });
  const order: string[] = [];
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const input = { doc: `{"i":${i}}`, oldDoc: null, meta: '{}', writer: null };
      order.push(...(await compiled.run(input)).channels);
    }),
  );
  assert.deepEqual(
    order,
    Array.from({ length: 300 }, (_, i) => `c${i}`),
  );
});
