import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { JsonSchema } from '../config/option-schema.ts';
import type { ErrorTag } from '../util/errors.ts';
import type { Content, ContentSchema } from './content.ts';
import { statusOf } from './error-map.ts';
import { PARAMETER_WORDS } from './parameter-words.ts';
import { parameterNames, shapeOf } from './path-parameters.ts';
import type { Port, Route } from './route.ts';

export interface DescriptionOptions {
  readonly port: Port;
  /** Of this product. */
  readonly version: string;
  /** Whether the HEAD of each GET is described, too; true where absent. */
  readonly heads?: boolean;
}

/** The OpenAPI 3.1 description of a port, made from its routes and from nothing else. */
export function describeApi(
  routes: readonly Route[],
  { port, version, heads = true }: DescriptionOptions,
): JsonSchema {
  return {
    openapi: '3.1.1',
    info: {
      title: `Tidegate: ${port} interface`,
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: DESCRIPTION,
    },
    tags: TAGS,
    paths: pathItems(routes, { port, heads }),
    components: {
      schemas: { Error: schemaOf(ERROR, 'output') },
      ...(port === 'public' ? { securitySchemes: SECURITY_SCHEMES } : {}),
    },
  };
}

const DESCRIPTION = `The REST API of Sync Gateway, as Tidegate serves it.

HEAD is answered as GET, without the body. Every path answers OPTIONS (204, with \`Allow\`), and 405 to other methods than those here. \`?pretty=true\` \
indents JSON. Bodies may be sent with \`Content-Encoding: gzip\`; larger answers are compressed for who \
accepts that. A database that is not online answers 503.`;

const TAGS = [
  { name: 'documents', description: 'Documents, attachments and feeds of a keyspace.' },
  { name: 'database', description: 'A database and its configuration.' },
  { name: 'principals', description: 'Users, roles and sessions.' },
  { name: 'server', description: 'The gateway itself.' },
];

const SECURITY_SCHEMES = {
  basic: { type: 'http', scheme: 'basic' },
  token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Of a provider that `local_jwt` of the database names.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'SyncGatewaySession',
    description: 'The name is that of `session_cookie_name`.',
  },
};

const ERROR = z.object({ error: z.string(), reason: z.string() });

/** Routes whose paths have the same shape stand under one path, and share its names. */
function pathItems(
  routes: readonly Route[],
  { port, heads }: { readonly port: Port; readonly heads: boolean },
): JsonSchema {
  const items: Record<string, JsonSchema> = {};
  for (const sharing of Map.groupBy(routes, ({ path }) => shapeOf(path)).values()) {
    const path = sharing[0]?.path ?? '';
    const item: Record<string, JsonSchema> = {};
    for (const route of sharing) {
      const operation = operationOf(route, path, port);
      item[route.method.toLowerCase()] = operation;
      if (heads && route.method === 'GET') item['head'] = headOf(operation);
    }
    items[path] = item;
  }
  return items;
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, JsonSchema>>;
  readonly [more: string]: unknown;
}

function operationOf(route: Route, path: string, port: Port): Operation {
  const { content, isOptional = false } = route.body;
  const body = content && { required: !isOptional, content: contentOf(content, 'input') };
  return {
    operationId: operationId(route),
    // A summary is plain text, unlike a description.
    summary: route.about.replaceAll('`', ''),
    tags: [tagOf(route.path)],
    ...(port === 'public' && route.access === 'reader' ? { security: ANY_READER } : {}),
    parameters: [...pathParameters(route, path), ...queryParameters(route)],
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { ...answersOf(route), ...errorsOf(route, port) },
  };
}

/** By password, by token, by session, or as the guest. */
const ANY_READER = [{ basic: [] }, { token: [] }, { session: [] }, {}];

function headOf({ operationId: id, responses, ...operation }: Operation): JsonSchema {
  const bare = Object.entries(responses)
    .filter(([status]) => status !== SWITCHING)
    .map(([status, { content: _, ...rest }]) => [status, rest] as const);
  return { ...operation, operationId: `${id}Head`, responses: Object.fromEntries(bare) };
}

/** No handshake begins with HEAD. */
const SWITCHING = '101';

/** `GET /{keyspace}/_all_docs` → `get_keyspace-_all_docs`, as in the reference's description. */
function operationId({ method, path }: Route): string {
  return `${method.toLowerCase()}_${path.slice(1).replaceAll(/[{}]/g, '').replaceAll('/', '-')}`;
}

function tagOf(path: string): string {
  if (path.startsWith('/{keyspace}/')) return path.includes('/_config/') ? 'database' : 'documents';
  if (/^\/\{db\}\/_(user|role|session)/.test(path)) return 'principals';
  return /^\/\{(db|newdb)\}\//.test(path) ? 'database' : 'server';
}

function pathParameters(route: Route, path: string): readonly JsonSchema[] {
  const own = parameterNames(route.path);
  return parameterNames(path).map((name, index) => ({
    name,
    in: 'path',
    required: true,
    description: PARAMETER_WORDS[own[index] ?? name] ?? '',
    schema: { type: 'string' },
  }));
}

function queryParameters({ query }: Route): readonly JsonSchema[] {
  const { properties = {} } = schemaOf(query, 'input') as { properties?: JsonSchema };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    description: PARAMETER_WORDS[name] ?? '',
    ...parameterSchema(schema as JsonSchema),
  }));
}

/** NOTE: a text that is JSON has its media type beside its schema, not in it, where pages look. */
function parameterSchema(schema: JsonSchema): JsonSchema {
  const { contentMediaType: type, contentSchema } = schema;
  if (typeof type !== 'string') return { schema };
  const { $schema: _, ...json } = contentSchema as JsonSchema;
  return { content: { [type]: { schema: json } } };
}

type Responses = Record<string, JsonSchema>;

function answersOf({ answers }: Route): Responses {
  const responses: Responses = {};
  for (const [status, content] of Object.entries(answers)) {
    responses[status] = {
      description: STATUS_CODES[status] ?? '',
      ...(Object.keys(content).length === 0 ? {} : { content: contentOf(content, 'output') }),
    };
  }
  return responses;
}

const ERROR_CONTENT = {
  'application/json': { schema: { $ref: '#/components/schemas/Error' } },
};

function errorsOf(route: Route, port: Port): Responses {
  const responses: Responses = {};
  for (const tag of errorTags(route, port)) {
    const status = String(statusOf(tag));
    responses[status] = { description: STATUS_CODES[status] ?? '', content: ERROR_CONTENT };
  }
  return responses;
}

/** What a route may refuse follows from its data, but for what only it refuses. */
function errorTags(
  { access, body, path, refuses = [], whileOffline }: Route,
  port: Port,
): ReadonlySet<ErrorTag> {
  const tags = new Set<ErrorTag>(['badRequest', 'corrupt', 'unavailable', ...refuses]);
  const ofDatabase = /^\/\{(db|keyspace)\}/.test(path);
  if (ofDatabase) tags.add('missing');
  if (port === 'public' && (ofDatabase || access === 'reader')) tags.add('unauthorized');
  if (body.content !== undefined) for (const tag of BODY_ERRORS) tags.add(tag);
  if (!ofDatabase && whileOffline) tags.delete('unavailable');
  return tags;
}

const BODY_ERRORS: readonly ErrorTag[] = ['unsupportedMediaType', 'tooLarge', 'tooSlow'];

function contentOf(content: Content, io: 'input' | 'output'): JsonSchema {
  const types = Object.entries(content).map(([type, schema]) => [
    type,
    schema === null ? {} : { schema: schemaOf(schema, io) },
  ]);
  return Object.fromEntries(types) as JsonSchema;
}

function schemaOf(schema: Exclude<ContentSchema, null>, io: 'input' | 'output'): JsonSchema {
  if (typeof schema === 'function') return schema();
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return json;
}
