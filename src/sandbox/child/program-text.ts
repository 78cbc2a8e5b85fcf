import { LIMITS, type Limits } from '../limits.ts';
import { frameReader } from './frame-reader.ts';
import { allowOverrides, harden } from './harden.ts';
import {
  compileFunction,
  functionRunner,
  readItems,
  refuseRights,
  runProgram,
  syntaxFailure,
  writeAnswers,
} from './program.ts';
import { answerOf, functionHolder, makeRealm, prepareGlobals } from './realm.ts';
import { freshState, logHelpers, namesOf, requireHelpers, routingHelpers } from './sync-helpers.ts';
import { describeThrown, positionIn, textOf } from './thrown.ts';
import { ASK_AGAIN, OPERATIONS } from '../wire.ts';

/**
 * The child's program is sent to it as text, made of functions of this folder: so the child needs
 * no right to read a single file and no TypeScript, and starts in half the time. What these
 * functions use must be among the ones named here.
 */
const REALM = [
  makeRealm,
  functionHolder,
  prepareGlobals,
  answerOf,
  harden,
  allowOverrides,
  freshState,
  namesOf,
  routingHelpers,
  requireHelpers,
  logHelpers,
  describeThrown,
  textOf,
  positionIn,
];

const PROGRAM = [
  runProgram,
  refuseRights,
  functionRunner,
  compileFunction,
  syntaxFailure,
  readItems,
  writeAnswers,
  harden,
  allowOverrides,
];

/** Built-ins of the program's own realm that are frozen, should a function ever get hold of one. */
const FROZEN = [
  'Object Function Array Error AggregateError EvalError RangeError ReferenceError SyntaxError',
  'TypeError URIError Promise Map Set WeakMap WeakSet String Number Boolean Symbol BigInt Date',
  'RegExp JSON Math Reflect Proxy ArrayBuffer DataView Uint8Array Int8Array Iterator',
]
  .join(' ')
  .split(' ');

/** The argument of `node -e`: reads the program as the first frame, and starts it. */
export function bootText(): string {
  return `'use strict';
const fs = require('node:fs'), vm = require('node:vm');
const nextFrame = (${String(frameReader)})(fs);
new vm.Script(nextFrame().toString(), { filename: 'sandbox' }).runInThisContext()(fs, vm, nextFrame);`;
}

/** The program, an expression whose value is a function. */
export function programText(limits: Limits = LIMITS): string {
  const realmText = `(() => { 'use strict';
${REALM.join('\n')}
return (limits) => makeRealm(JSON.parse(limits)); })()`;
  const constants = {
    realmText,
    limits,
    operations: OPERATIONS,
    askAgain: ASK_AGAIN,
  };
  return `((fs, vm, nextFrame) => { 'use strict';
${PROGRAM.join('\n')}
harden([${FROZEN.join(', ')}]);
runProgram({ fs, vm, nextFrame, ...${JSON.stringify(constants)} }); })`;
}
