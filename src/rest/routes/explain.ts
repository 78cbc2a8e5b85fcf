import { z } from 'zod';
import type { ExplainRequest } from '../../database/explain.ts';
import { parseDocId } from '../../document/doc-id.ts';
import { GatewayError } from '../../util/errors.ts';
import { reason } from '../answer-schemas.ts';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { given } from '../query.ts';
import { route } from '../route.ts';

const inChannel = z.object({ channel: z.string(), since: z.int() });

const explanation = z.object({
  summary: z.string(),
  user: z.string().optional(),
  role: z.string().optional(),
  keyspace: z.string(),
  doc: z.string().optional(),
  channel: z.string().optional(),
  visible: z.boolean(),
  as_of: z.int(),
  disabled: z.boolean().optional(),
  document: z
    .object({
      rev: z.string(),
      sequence: z.int(),
      deleted: z.boolean(),
      hidden: z.literal(true).optional(),
      channels: z.array(inChannel),
      left: z.array(inChannel.extend({ until: z.int(), held: z.boolean() })).optional(),
    })
    .optional(),
  channels: z.array(
    z.object({
      channel: z.string(),
      held: z.boolean(),
      since: z.int().optional(),
      reasons: z.array(reason).optional(),
      ended: z.array(reason).optional(),
      granted_to: z.array(z.string()).optional(),
      granted_to_more: z.literal(true).optional(),
    }),
  ),
  more_channels: z.int().optional(),
  missing_roles: z.array(z.string()).optional(),
});

export const getExplain = route({
  method: 'GET',
  path: '/{db}/_explain',
  about:
    'Whether a user or role sees a document, or what is in a channel, and by which chain of ' +
    'grants, or why not.',
  access: 'admin',
  query: z.object({ user: given, role: given, doc: given, channel: given, keyspace: given }),
  body: noBody,
  answers: { 200: jsonContent(explanation) },
  handle: async ({ database, query }) => {
    const { fullName } = database.collectionConfig(query.keyspace);
    const request = { ...asked(query), keyspace: fullName };
    const { tools } = database.collection(query.keyspace);
    return json(200, await tools.explain(database.principals, request));
  },
});

function asked({
  user,
  role,
  doc,
  channel,
}: {
  readonly user?: string | undefined;
  readonly role?: string | undefined;
  readonly doc?: string | undefined;
  readonly channel?: string | undefined;
}): Omit<ExplainRequest, 'keyspace'> {
  if ((user === undefined) === (role === undefined))
    throw new GatewayError('badRequest', 'name one of user and role: whose access is explained');
  if ((doc === undefined) === (channel === undefined))
    throw new GatewayError('badRequest', 'name one of doc and channel: what is asked about');
  return {
    subject: user === undefined ? { kind: 'role', name: role ?? '' } : { kind: 'user', name: user },
    about:
      doc === undefined
        ? { kind: 'channel', channel: channel ?? '' }
        : { kind: 'doc', id: parseDocId(doc) },
  };
}
