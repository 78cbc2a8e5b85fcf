import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { silentLog } from '../observability/log.ts';
import type { Sandbox } from './sandbox.ts';
import { startSandbox } from './start-sandbox.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ log: silentLog });
});
after(async () => {
  await sandbox[Symbol.asyncDispose]();
});

/** Runs a function once for each document; gives the channels, or what went wrong. */
async function run(source: string, ...docs: readonly string[]): Promise<readonly string[]> {
  using compiled = await sandbox.syncFunction(source, { timeoutMs: 0, log: silentLog });
  const answers: string[] = [];
  for (const doc of docs.length === 0 ? ['{}'] : docs) {
    const input = { doc, oldDoc: null, meta: '{}', writer: null };
    answers.push(
      await compiled.run(input).then(
        ({ rejection, channels }) => rejection?.reason ?? channels.join(),
        (cause: Error) => `failed: ${cause.message}`,
      ),
    );
  }
  return answers;
}

/** What an expression gives in the sandbox, as text. */
async function valueOf(expression: string): Promise<string | undefined> {
  const [value] = await run(
    `function() { var r; try { r = String(${expression}) } catch (e) { r = 'threw ' + e }
     throw { forbidden: r } }`,
  );
  return value;
}

test('nothing of the program around it has a name in a function', async () => {
  const names = [
    'process require module fs Buffer global setTimeout setInterval setImmediate queueMicrotask',
    'fetch WebSocket Worker WebAssembly SharedArrayBuffer Atomics WeakRef FinalizationRegistry',
    'structuredClone performance URL navigator gc Deno Bun document window self ShadowRealm',
  ];
  for (const name of names.join(' ').split(' '))
    assert.equal(await valueOf(`typeof ${name}`), 'undefined', name);
});

test('the global object holds the language, the helpers, and nothing else', async () => {
  const known = [
    'Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol',
    'Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError',
    'TypeError URIError SuppressedError globalThis JSON Math Intl ArrayBuffer Uint8Array Int8Array',
    'Uint16Array Int16Array Uint32Array Int32Array Float16Array Float32Array Float64Array BigInt',
    'Uint8ClampedArray BigUint64Array BigInt64Array DataView Map Set WeakMap WeakSet Proxy Reflect',
    'Iterator DisposableStack AsyncDisposableStack decodeURI decodeURIComponent encodeURI',
    'encodeURIComponent escape unescape eval isFinite isNaN console log channel access role expiry',
    'requireUser requireRole requireAccess requireAdmin',
  ];
  const names = (await valueOf('Reflect.ownKeys(globalThis).map(String)'))?.split(',') ?? [];
  assert.deepEqual(
    names.filter((name) => !known.join(' ').split(' ').includes(name)),
    [],
  );
});

test('strings are never compiled', async () => {
  for (const attempt of [
    'eval("1")',
    '(0, eval)("1")',
    'Function("return 1")()',
    'channel.constructor("return process")()',
    '(function(){}).constructor("return this")()',
    '(function*(){}).constructor("yield 1")()',
    '(async () => 1).constructor("return 1")()',
    '(async function*(){}).constructor("return 1")()',
    'Reflect.construct(Function, ["return process"])()',
    'console.log.constructor("return process")()',
    'new Proxy(Function, {}).call(null, "return process")()',
  ])
    assert.match((await valueOf(attempt)) ?? '', /^threw EvalError/, attempt);
});

test('the constructor of everything in reach is of the realm of the function', async () => {
  const things = [
    'arguments',
    'arguments.callee',
    'this',
    'channel',
    'console',
    'console.log',
    'new Error("x")',
    'JSON.parse("{}")',
    'Promise.resolve()',
    'async function(){}',
  ];
  for (const thing of things)
    assert.equal(
      await valueOf(
        `(function() { var o = ${thing}, seen = []; while (o) { seen.push(o);
          o = Object.getPrototypeOf(o) } return seen.pop() === Object.prototype })()`,
      ),
      'true',
      thing,
    );
});

test('a host error from import() leads to nothing that can be changed or called', async () => {
  const source = `async function() {
    var out = [];
    try { await import('node:fs') } catch (e) {
      var host = e.constructor;
      try { out.push('compiled ' + host.constructor('return 1')()) } catch (x) { out.push(x.name) }
      var root = Object.getPrototypeOf(Object.getPrototypeOf(Object.getPrototypeOf(e)));
      while (Object.getPrototypeOf(root)) root = Object.getPrototypeOf(root);
      root.polluted = 1;
      out.push(root.polluted === undefined, Object.isFrozen(root), Object.isFrozen(host));
      host.__proto__.prepareStackTrace = function(_, sites) { return sites };
      out.push(Object.isFrozen(host.__proto__));
    }
    throw { forbidden: out.join() };
  }`;
  const [told] = await run(source);
  assert.equal(told, 'EvalError,true,true,true,true');
});

test('import() of any kind brings nothing in', async () => {
  for (const name of ['node:fs', 'node:child_process', './x.mjs', 'data:text/javascript,0']) {
    const [told] = await run(`function() { return import(${JSON.stringify(name)}) }`);
    assert.match(told ?? '', /^failed: .*(import|callback|module)/i, name);
  }
});

test('a stack that overflows hands nothing of the host to the handler', async () => {
  const source = `function() {
    var found = 'none';
    function probe(e) {
      try { return e.constructor.constructor('return process')() } catch (x) { return null }
    }
    function deep() { try { deep() } catch (e) { if (probe(e)) found = 'escaped'; } }
    function deepLog() { try { deepLog() } catch (e) { try { console.log({}, [1], 'x') }
      catch (f) { if (probe(f)) found = 'escaped' } } }
    function deepCall() { try { deepCall() } catch (e) { try { requireUser('x'); channel(['y']) }
      catch (f) { if (probe(f)) found = 'escaped' } } }
    deep(); deepLog(); deepCall();
    throw { forbidden: found };
  }`;
  assert.deepEqual(await run(source), ['none']);
});

test('Error.prepareStackTrace and stackTraceLimit cannot be set', async () => {
  const source = `function() {
    Error.prepareStackTrace = function(e, sites) { return sites };
    Error.stackTraceLimit = 1000;
    var stack = new Error('x').stack;
    throw { forbidden: typeof stack + ' ' + typeof Error.prepareStackTrace };
  }`;
  assert.deepEqual(await run(source), ['string undefined']);
});

test('callers, and functions on the stack, are out of reach', async () => {
  const source = `function f() {
    var caller = f.caller, up = arguments.callee.caller;
    throw { forbidden: String(caller) + ' ' + String(up) };
  }`;
  assert.deepEqual(await run(source), ['null null']);
});

test('built-ins are the same in every call, whatever an earlier one tried', async () => {
  const source = `function(doc) {
    if (doc.evil) {
      var tries = [
        function() { Object.prototype.polluted = 1 },
        function() { Array.prototype.push = function() { return 0 } },
        function() { JSON.parse = function() { return { ch: 'forged' } } },
        function() { JSON = { parse: null } },
        function() { Object.defineProperty(String.prototype, 'x', { value: 1 }) },
        function() { Object.prototype.__proto__ = { x: 1 } },
        function() { Object.setPrototypeOf(Array.prototype, { x: 1 }) },
        function() { [][Symbol.iterator]().__proto__.next = function() { return { done: true } } },
        function() { Set.prototype.add = function() { return this } },
        function() { Map.prototype.get = function() { return 'x' } },
        function() { Promise.prototype.then = null },
        function() { channel = function() {}; requireUser = channel; console.log = 1 },
        function() { channel.prototype = 1; channel.secret = 1; console.secret = 1 },
        function() { (function*(){})().__proto__.__proto__.next = null },
        function() { Math.max = function() { return 7 } },
        function() { RegExp.input = 'secret'; /(s.*)/.exec('secret of another') },
      ];
      tries.forEach(function(t) { try { t() } catch (e) {} });
      return;
    }
    channel(doc.ch);
    var left = [doc.polluted, ''.x, {}.x, [].x, channel.secret, console.secret, RegExp.$1,
      RegExp.input];
    channel(left.filter(Boolean).map(String), 'max' + Math.max(1, 2));
  }`;
  const [, second] = await run(source, '{"evil":1}', '{"ch":"a"}');
  assert.equal(second, 'a,max2');
});

test('globals are gone after the call that left them, hidden and frozen ones too', async () => {
  const source = `function(doc) {
    channel(typeof left + typeof hidden + typeof fixed + Object.isExtensible(globalThis));
    if (doc.how === 'plain') { for (left = 0; left < 3; left++); this.hidden = 1 }
    if (doc.how === 'hidden') {
      Object.defineProperty(this, 'hidden', { value: 1, configurable: true });
      this[Symbol.for('s')] = 1;
    }
    if (doc.how === 'fixed') Object.defineProperty(this, 'fixed', { value: 1 });
    if (doc.how === 'closed') Object.preventExtensions(this);
    if (this[Symbol.for('s')] && doc.how !== 'hidden') channel('symbol');
  }`;
  const docs = ['plain', 'hidden', 'fixed', 'closed', 'plain', 'end'];
  const told = await run(source, ...docs.map((how) => `{"how":"${how}"}`));
  assert.deepEqual(new Set(told), new Set(['undefinedundefinedundefinedtrue']));
});

test('a function keeps nothing on itself or in a closure', async () => {
  assert.deepEqual(
    await run(
      `function f() { f.n = (f.n || 0) + 1; f.prototype.m = 1; arguments.callee.k = 1;
        channel(typeof f.n + typeof f.prototype.m + typeof arguments.callee.k) }`,
      '{}',
      '{}',
    ),
    ['undefinedundefinedundefined', 'undefinedundefinedundefined'],
  );
  assert.deepEqual(
    await run(`(function() { var n = 0; return function() { channel('n' + ++n) } })()`, '{}', '{}'),
    ['n1', 'n1'],
  );
});

test('what promises do after the answer does not reach the next call', async () => {
  const source = `function(doc) {
    if (doc.first) { (async function() { for (var i = 0; i < 50; i++) await null; channel('late') })();
      new Promise(function() {}).then(function() { channel('never') }); }
    channel('c');
  }`;
  assert.deepEqual(await run(source, '{"first":1}', '{}', '{}'), ['c,late', 'c', 'c']);
});

test('hostile things thrown are failures or rejections, and are looked at once', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['throw null', /^failed: .*null/],
    ['throw undefined', /^failed: .*undefined/],
    ['throw Symbol("s")', /^failed: .*Symbol\(s\)/],
    ['throw { toString: function() { throw 1 } }', /^failed: sync function: \{\}/],
    ['throw { get forbidden() { throw 1 } }', /^failed: .*cannot be described/],
    ['throw new Proxy({}, { get: function() { throw 1 } })', /^failed: .*cannot be described/],
    ['throw { forbidden: { toJSON: function() { throw 1 } } }', /^failed: .*cannot be described/],
    ['throw { forbidden: "x".repeat(1e7) }', /^x{10000}$/],
    ['throw new Error("y".repeat(1e7))', /^failed: .{0,40}Error: y{9000}/],
    ['var e = new Error("m"); e.stack = "sync-function:1e9:-1"; throw e', /^failed: .*Error: m/],
    ['var e = new Error("m"); e.stack = { toString: null }; throw e', /^failed: .*Error: m/],
    ['throw Object.create(null)', /^failed: sync function: \{\}/],
    ['throw (function f() {}).bind()', /^failed: /],
    ['throw 1n', /^failed: .*1/],
    ['var a = {}; a.a = a; throw a', /^failed: .*cannot be described/],
  ];
  for (const [body, expected] of cases) {
    const [told] = await run(`function() { ${body} }`);
    assert.match(told ?? '', expected, body);
  }
});

test('names of users, channels and properties may be any text', async () => {
  const source = `function(doc) { access(doc.user, '__proto__'); channel('__proto__', 'constructor') }`;
  using compiled = await sandbox.syncFunction(source, { timeoutMs: 0, log: silentLog });
  const doc = '{"user":"__proto__","__proto__":{"x":1},"constructor":1}';
  const outcome = await compiled.run({ doc, oldDoc: null, meta: '{}', writer: null });
  assert.deepEqual(outcome.channels, ['__proto__', 'constructor']);
  assert.deepEqual(Object.entries(outcome.access), [['__proto__', ['__proto__']]]);
});

test('arguments that are proxies, getters or enormous are the trouble of the call alone', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['channel(new Proxy(["a"], {}))', /^a$/],
    ['channel(new Proxy([], { get: function() { throw new Error("trap") } }))', /^failed: .*trap/],
    [
      'var a = ["a"]; Object.defineProperty(a, 1, { get: function() { channel("in"); return "b" } });' +
        ' channel(a)',
      /^in,a,b$/,
    ],
    ['channel({ length: 3, 0: "a" })', /^$/],
    ['channel(new String("a"))', /^$/],
    ['for (var i = 0; i < 1e5; i++) channel("some long channel name " + i)', /^failed: .*names/],
    ['channel("x".repeat(2000))', /^failed: .*valid channel name/],
    ['channel("\\ud800")', /^failed: .*valid channel name/],
    ['expiry(1n)', /^failed: .*BigInt/],
    ['expiry(function() {})', /^$/],
    ['console.log("x".repeat(1e8)); for (var i = 0; i < 1e4; i++) log(i); channel("ok")', /^ok$/],
    ['log({ toJSON: function() { throw new Error("j") } })', /^failed: .*Error: j/],
  ];
  for (const [body, expected] of cases) {
    const [told] = await run(`function() { ${body} }`);
    assert.match(told ?? '', expected, body);
  }
});

test('functions of two databases share nothing', async () => {
  const writes = `function() { try { Object.shared = 1 } catch (e) {} shared = 1; this.x = 1 }`;
  const reads = `function() { channel(typeof shared, typeof Object.shared) }`;
  assert.deepEqual(await run(writes), ['']);
  assert.deepEqual(await run(reads), ['undefined']);
});

test('objects may still override what they inherit from a frozen prototype', async () => {
  const source = `function() {
    function Thing() {} Thing.prototype.toString = function() { return 'thing' };
    Thing.prototype.constructor = Thing;
    var error = new Error('m'); error.name = 'Named'; error.message = 'n';
    class Own extends Error { constructor(m) { super(m); this.name = 'Own' } }
    var counts = {}; counts.constructor = 1; counts.valueOf = 2; counts.hasOwnProperty = 3;
    channel(String(new Thing()), String(error), String(new Own('o')), Object.keys(counts).join('+'));
  }`;
  const [told] = await run(source);
  assert.equal(told, 'thing,Named: n,Own: o,constructor+valueOf+hasOwnProperty');
});
