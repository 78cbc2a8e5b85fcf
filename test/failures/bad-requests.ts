import { gzipSync } from 'node:zlib';
import type { RequestOptions } from '../helpers/http.ts';

/** A request that nobody should send, and the status that it must get. */
export interface BadRequest {
  readonly about: string;
  readonly method: string;
  /** After the name of the database. */
  readonly path: string;
  readonly sent?: RequestOptions;
  readonly status: number;
}

type Sent = string | Uint8Array;

const put =
  (path: string, status = 400) =>
  (about: string, body: Sent, headers: Readonly<Record<string, string>> = {}): BadRequest => ({
    about: `${about} (PUT ${shortened(path)})`,
    method: 'PUT',
    path,
    sent: { body, headers: { 'content-type': 'application/json', ...headers } },
    status,
  });

const post =
  (path: string, status = 400) =>
  (about: string, body: Sent, headers: Readonly<Record<string, string>> = {}): BadRequest => ({
    ...put(path, status)(about, body, headers),
    about: `${about} (POST ${path})`,
    method: 'POST',
  });

const get = (path: string, status = 400): BadRequest => ({
  about: `GET ${path}`,
  method: 'GET',
  path,
  status,
});

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const document = put('x');
const MALFORMED: readonly BadRequest[] = [
  document('nothing', ''),
  document('a brace', '{'),
  document('an array', '[]'),
  document('a string', '"x"'),
  document('too much', '{"a":1}}'),
  document('single quotes', "{'a':1}"),
  document('a number with a leading zero', '{"a":01}'),
  document('no number', '{"a":NaN}'),
  document('a control character', '{"a":"\u0001"}'),
  document('an unknown escape', '{"a":"\\x"}'),
  document('a byte order mark', '\ufeff{"a":1}'),
  document('invalid UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])),
  document('half a surrogate in UTF-8', Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1')),
  document('UTF-16', Buffer.from('{"a":1}', 'utf16le')),
  document('arrays 1,001 deep', `{"a":${nested(1000)}}`),
  document('objects 500,000 deep', `${'{"b":'.repeat(500_000)}1${'}'.repeat(500_000)}`),
  document('5,000,000 opening brackets', `{"a":${'['.repeat(5_000_000)}`),
  document('a list that does not end', '{"a":[1,2'),
];

const RESERVED: readonly BadRequest[] = [
  document('_rev that is a number', '{"_rev":1}'),
  document('_rev that is none', '{"_rev":"zzz"}'),
  document('_id that is a number', '{"_id":5}'),
  document('_id of another document', '{"_id":"other"}'),
  document('_deleted that is a string', '{"_deleted":"yes"}'),
  document('_exp that is no time', '{"_exp":"soon"}'),
  document('_exp before time', '{"_exp":-5}'),
  document('_attachments that is an array', '{"_attachments":[]}'),
  document('an attachment that is a number', '{"_attachments":{"a":5}}'),
  document('an attachment that is not base64', '{"_attachments":{"a":{"data":"%%%"}}}'),
  document('_revisions that starts at 0', '{"_revisions":{"start":0,"ids":["a"]}}'),
  put('x?new_edits=false')('no revision', '{}'),
  put('x?new_edits=false')('_revisions with a text', '{"_revisions":{"start":"1","ids":["a"]}}'),
  put('x?new_edits=false')('a huge generation', '{"_revisions":{"start":1e300,"ids":["a"]}}'),
  put('x?new_edits=false')('no digest', '{"_revisions":{"start":1,"ids":[]}}'),
  put('x?new_edits=maybe')('new_edits that is no flag', '{}'),
  put('x?rev=zz')('rev that is none', '{}'),
  put('x?rev=99999999999999999999-a')('rev of a huge generation', '{}'),
];

const IDS: readonly BadRequest[] = [
  put('_bad', 404)('an id of ours', '{}'),
  put('a%00b')('an id with NUL', '{}'),
  put('%ff%fe')('an id that is not UTF-8', '{}'),
  put('%ED%A0%80')('an id with half a surrogate', '{}'),
  put('%zz')('an escape that is none', '{}'),
  put('%')('half an escape', '{}'),
  put('x'.repeat(251))('an id of 251 bytes', '{}'),
  put('%C3%A9'.repeat(126))('an id of 252 bytes in 126 characters', '{}'),
  put('x'.repeat(5000))('an id of 5,000 bytes', '{}'),
  put(`_local/${'x'.repeat(300)}`)('a long local id', '{}'),
  post('')('an empty _id', '{"_id":""}'),
  post('')('_id with an underscore', '{"_id":"_x"}'),
  post('')('_id that is null', '{"_id":null}'),
  post('')('_id with half a surrogate', '{"_id":"\\ud800"}'),
];

const LISTS: readonly BadRequest[] = [
  post('_bulk_docs')('no docs', '{}'),
  post('_bulk_docs')('an array', '[]'),
  post('_bulk_docs')('docs that is an object', '{"docs":{}}'),
  post('_bulk_docs')('a document that is a number', '{"docs":[{"_id":"b"},1]}'),
  post('_bulk_docs')('new_edits that is a text', '{"docs":[{"_id":"b"}],"new_edits":"no"}'),
  post('_bulk_docs')('a list that does not end', '{"docs":[{"_id":"b"},{"_id":"c"}'),
  post('_bulk_docs')('too deep a document', `{"docs":[{"_id":"b"},{"a":${nested(1000)}}]}`),
  post('_bulk_get')('docs that is an object', '{"docs":{}}'),
  post('_revs_diff')('a revision that is no list', '{"a":"1-a"}'),
  post('_revs_diff')('a revision that is none', '{"a":["zz"]}'),
  post('_revs_diff')('an array', '[]'),
  post('_all_docs')('keys that is a number', '{"keys":5}'),
  post('_all_docs')('a key that is a number', '{"keys":[1]}'),
  post('_changes')('since that is an object', '{"since":{}}'),
  post('_changes')('limit that is a text', '{"limit":"x"}'),
  post('_changes')('a brace', '{'),
];

const QUERIES: readonly BadRequest[] = [
  get('_changes?since=abc'),
  get('_changes?since=-1'),
  get('_changes?since=1:2:3:4:5'),
  get('_changes?limit=-1'),
  get('_changes?limit=1e9999'),
  get('_changes?feed=bogus'),
  get('_changes?filter=my/function'),
  get('_changes?style=odd'),
  get('_changes?timeout=x'),
  get('_changes?filter=_doc_ids&doc_ids=%5B1'),
  get('_all_docs?keys=5'),
  get('_all_docs?limit=x'),
  get('there?open_revs=5'),
  get('there?open_revs=%5B%22x%22%5D'),
  get('there?attachments=maybe'),
  get('there?rev=x'),
  {
    about: 'DELETE of a revision that is none',
    method: 'DELETE',
    path: 'there?rev=zz',
    status: 400,
  },
  { about: 'PATCH', method: 'PATCH', path: 'there', status: 405 },
  put('_changes', 405)('a method that is not there', '{}'),
];

const PRINCIPALS: readonly BadRequest[] = [
  put('_user/a%2Cb')('a name with a comma', '{"password":"letmein"}'),
  put('_user/a%3Ab')('a name with a colon', '{"password":"letmein"}'),
  put('_user/x')('a password that is a number', '{"password":5}'),
  put('_user/x')('channels that are a text', '{"password":"letmein","admin_channels":"a"}'),
  put('_user/x')('a channel with a comma', '{"password":"letmein","admin_channels":["a,b"]}'),
  put('_user/x')('a channel without a name', '{"password":"letmein","admin_channels":[""]}'),
  put('_user/x')('a channel with NUL', '{"password":"letmein","admin_channels":["a\\u0000"]}'),
  put('_user/x')('a role that is an object', '{"password":"letmein","admin_roles":[{}]}'),
  put('_user/x')('an array', '[]'),
  put('_user/x')('another name', '{"name":"y","password":"letmein"}'),
  post('_user/')('no name', '{}'),
  put('_role/x')('channels that are an object', '{"admin_channels":{}}'),
  post('_session')('a name that is a number', '{"name":5}'),
  post('_session', 404)('nobody', '{"name":"nobody"}'),
  post('_session')('a session that has ended', '{"name":"ann","ttl":-1}'),
];

/** The sync function of the tests takes `channels` as they come. */
const CHANNELS: readonly BadRequest[] = [
  put('x', 500)('a channel with a comma', '{"channels":["a,b"]}'),
  put('x', 500)('a channel without a name', '{"channels":[""]}'),
  put('x', 500)('a channel with NUL', '{"channels":["a\\u0000b"]}'),
  put('x', 500)('a channel with half a surrogate', '{"channels":["\\ud800"]}'),
  put('x', 500)('a channel of 1,001 bytes', `{"channels":["${'x'.repeat(1001)}"]}`),
];

const GZIP = { 'content-encoding': 'gzip' };
const ENCODINGS: readonly BadRequest[] = [
  document('gzip that is none', 'no gzip', GZIP),
  document('half of gzip', gzipSync('{"a":1}').subarray(0, 12), GZIP),
  put('x', 415)('an encoding that is not known', '{}', { 'content-encoding': 'br' }),
  put('x', 415)('a text', '{}', { 'content-type': 'text/plain' }),
  put('x', 415)('a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
  document('a type that is none', '{}', { 'content-type': 'garbage' }),
];

const MB = 1e6;
const zipped = (text: string): Uint8Array => gzipSync(text, { level: 9 });

const TOO_LARGE: readonly BadRequest[] = [
  put('x', 413)('a document of 21 MB', `{"a":"${'x'.repeat(21 * MB)}"}`),
  put('x', 413)('200 MB in 200 KB', zipped(`{"a":"${'x'.repeat(200 * MB)}"}`), GZIP),
  put('x', 413)('1,000,001 members', zipped(`{${'"":0,'.repeat(1e6)}"":0}`), GZIP),
  put('x/file', 413)('an attachment of 22 MB', Buffer.alloc(22 * MB)),
  put('x/file', 413)('an attachment of 200 MB in 200 KB', zipped(' '.repeat(200 * MB)), GZIP),
  put('_user/x', 413)('500,000 channels', zipped(`{"a":[${'"",'.repeat(5e5)}""]}`), GZIP),
  post('_bulk_docs', 413)('200 MB in 200 KB', zipped(' '.repeat(200 * MB)), GZIP),
  post('_bulk_docs', 413)('5,000,000 documents', zipped(`{"docs":[${'{},'.repeat(5e6)}{}]}`), GZIP),
  post('_all_docs', 413)('5,000,000 keys', zipped(`{"keys":[${'"",'.repeat(5e6)}""]}`), GZIP),
  post('_changes', 413)('5,000,000 ids', zipped(`{"doc_ids":[${'"",'.repeat(5e6)}""]}`), GZIP),
  post('_revs_diff', 413)('300,000 ids', zipped(`{"a":[${'"1-a",'.repeat(3e5)}"1-a"]}`), GZIP),
];

export const BAD_REQUESTS: Readonly<Record<string, readonly BadRequest[]>> = {
  'malformed JSON': MALFORMED,
  'reserved properties': RESERVED,
  'ids and names': IDS,
  lists: LISTS,
  queries: QUERIES,
  principals: PRINCIPALS,
  channels: CHANNELS,
  encodings: ENCODINGS,
  'what is too large': TOO_LARGE,
};
