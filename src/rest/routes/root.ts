import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { COMPATIBLE_VERSION, VENDOR_NAME, productOf } from '../product.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';
import { z } from 'zod';
import { jsonContent } from '../content.ts';

const answer = z.object({
  ADMIN: z.literal(true).optional(),
  couchdb: z.string(),
  vendor: z.object({ name: z.string(), version: z.string() }),
  version: z.string(),
  persistent_config: z.boolean(),
  cluster_compat_version: z.string(),
  node_uid: z.string(),
});

export const getRoot = route({
  method: 'GET',
  path: '/',
  about: 'Who answers here; `ADMIN` on the admin port.',
  access: 'public',
  query: noQuery,
  body: noBody,
  answers: { 200: jsonContent(answer) },
  handle: ({ port, services }) => {
    const { full, vendorVersion } = productOf(
      services.version,
      services.settings.hideProductVersion,
    );
    return json(200, {
      ...(port === 'admin' ? { ADMIN: true } : {}),
      couchdb: 'Welcome',
      vendor: { name: VENDOR_NAME, version: vendorVersion },
      version: full,
      persistent_config: !services.registry.isLocal,
      cluster_compat_version: COMPATIBLE_VERSION,
      node_uid: services.nodeUid,
    });
  },
});
